"""What happens when in a scripted day, told in plain words as it happens. Times are shares of the day."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import aiohttp
from msgspec import Struct
from msgspec.structs import replace

from hub.client import CloudClient, HubClient, ProblemError, UnreachableError, new_id, now_ms
from hub.demo.counters import CROWD, Counters
from hub.demo.desk import Desk
from hub.demo.house import House
from hub.demo.journal import Journal
from hub.demo.tills import Shelf, Till, Wish
from hub.demo.web_order import WebOrder
from hub.demo.wires import PrinterWire, TillWire
from hub.store.model import Entry
from sync.errors import StartError, SyncError
from sync.model import Stream
from sync.retail.catalogue.catalogue import Price

WAIT_S = 30.0  # for what must come to pass on a slow machine; beyond it something is broken
POLL_S = 0.1
QUIET_S = (
    4.5  # nothing waits for so long at closing: levels are folded every two seconds, counters commit in milliseconds
)
REPORT_EVERY_S, REPORT_SHARE = 4.0, 0.08
LOOK_S = 0.6  # how often the manager looks at the print queue
INSPECT_SHARE = 0.04  # of the day, between two questions about what is safe
PRICED, PRICE_STEP = 3, 110
KILL_DELAY_S = 0.002  # a sale takes a few milliseconds: some kills find it before, some behind the commit
PLENTY = 12  # on the shelf: some will be left when the new price is down
_TROUBLE = (aiohttp.ClientError, TimeoutError, OSError, SyncError)


class Journals(Struct, frozen=True):
    """The books of the day, each with one writer."""

    script: Journal
    office: Journal
    tills: Journal
    mqtt: Journal


class Cast(Struct, frozen=True, kw_only=True):
    """Who takes part."""

    house: House
    manager: HubClient
    cloud: CloudClient
    shelf: Shelf
    tills: list[Till]
    boss: Desk
    counters: Counters
    printer_wire: PrinterWire
    till_wire: TillWire | None
    entries: dict[str, Entry]
    web_order: WebOrder
    rng: Random


Step = Callable[[], Awaitable[None]]


class Play:
    """One day."""

    def __init__(self, cast: Cast, journals: Journals, *, seconds: float, fault: str) -> None:
        self._cast = cast
        self._journals = journals
        self._seconds = seconds
        self._fault = fault
        self._begun_ms = now_ms()
        self._prices: dict[str, int] = {}

    async def run(self) -> None:
        """Play it to the end: when this returns, nothing waits anywhere."""
        cast = self._cast
        self._tell("opened", f"the shop opens: {len(cast.shelf.there)} products on the shelves, two tills, two doors")
        async with asyncio.TaskGroup() as group:
            doors = group.create_task(cast.counters.run(), name="people counters")
            helpers = [
                group.create_task(self._mind_the_printer(), name="manager"),
                group.create_task(self._inspect(), name="inspector"),
                group.create_task(self._report(), name="progress"),
            ]
            await self._sell()
            await self._insist(cast.counters.close)
            self._tell("closed", f"the shop is closed after {sum(len(till.sold) for till in cast.tills)} sales")
            doors.cancel()
            await asyncio.wait([doors])  # an honest total behind the lie would take it back
            if self._fault == "miscount":
                await self._miscount()
            await self._drain()
            for helper in helpers:
                helper.cancel()
        for till in cast.tills:
            await till.ask_status(is_all=True)
        print("everything is in the cloud and on paper; the auditor reads the evidence", flush=True)

    async def _sell(self) -> None:
        """Keep the tills busy as long as the script goes."""
        async with asyncio.TaskGroup() as group:
            for till in self._cast.tills:
                group.create_task(till.shift(), name=till.desk.name)
            await self._follow_the_script()
            for till in self._cast.tills:
                till.stop()

    async def _follow_the_script(self) -> None:
        begun_s = asyncio.get_running_loop().time()
        for share, step in self._script():
            await asyncio.sleep(begun_s + share * self._seconds - asyncio.get_running_loop().time())
            await step()

    def _script(self) -> tuple[tuple[float, Step], ...]:
        return (
            (0.02, self._order_on_line),
            (0.06, self._leave_retained),
            (0.12, self._cut_line),
            (0.18, self._change_prices),
            (0.22, self._pick_the_order),
            (0.24, self._run_out_of_paper),
            (0.34, self._mend_line),
            (0.36, self._sell_at_new_prices),
            (0.38, self._tell_the_code),
            (0.42, self._put_paper_in),
            (0.54, self._kill_hub),
            (0.68, self._cut_line),
            (0.72, self._hand_over),
            (0.74, self._restart_counter),
            (0.84, self._mend_line),
            (0.86, self._plant_fault),
            (0.92, self._copy_a_receipt),
            (1.00, self._nothing),
        )

    async def _leave_retained(self) -> None:
        await self._insist(self._cast.counters.retain)

    async def _order_on_line(self) -> None:
        order = self._cast.web_order
        await self._until(order.is_given, "the cloud had nothing to promise")
        await self._until(order.is_here, "the order did not come down")
        self._tell("ordered", "a customer orders on line, to fetch it here")

    async def _pick_the_order(self) -> None:
        await self._cast.web_order.pick()
        self._tell("packed", "the order is picked by scan and packed, without a line")

    async def _tell_the_code(self) -> None:
        await self._until(self._cast.web_order.is_told, "head office was not told the code of the order")
        self._tell("told", "head office tells the customer the code")

    async def _hand_over(self) -> None:
        await self._cast.web_order.hand_over()
        self._tell("handed_over", "the customer fetches the order by the code, without a line again")

    async def _cut_line(self) -> None:
        self._tell("line_down", "the line to the cloud is cut; both tills go on selling")
        await self._cast.cloud.set_line(is_up=False)

    async def _mend_line(self) -> None:
        await self._cast.cloud.set_line(is_up=True)
        self._tell("line_up", "the line is back; what waited goes up, what changed comes down")

    async def _change_prices(self) -> None:
        cast = self._cast
        there = [sku for sku, qty in cast.shelf.there.items() if qty >= PLENTY and cast.shelf.units[sku] == "each"]
        changed = {}
        for sku in cast.rng.sample([sku for sku in there if cast.entries[sku].product.gtins], PRICED):
            entry = cast.entries[sku]
            changed[sku] = replace(entry, price=Price(entry.price.amount + PRICE_STEP, entry.price.currency))
        cast.entries.update(changed)
        self._prices = {sku: entry.price.amount for sku, entry in changed.items()}
        at = now_ms()
        await cast.cloud.put_products(list(changed.values()))
        self._journals.office.note(at=at, ask="prices", sent=self._prices, status=200)
        self._tell("prices", f"head office changes {PRICED} prices; the shop cannot know yet")

    async def _sell_at_new_prices(self) -> None:
        await self._until(self._are_prices_down, "the new prices did not come down")
        self._cast.tills[0].wishes.append(Wish(tuple(self._prices)))
        self._tell("prices_down", "the new prices are at the tills")

    async def _are_prices_down(self) -> bool:
        items = [await self._cast.manager.product(sku) for sku in self._prices]
        return all(item.price is not None and item.price.amount == self._prices[item.sku] for item in items)

    async def _run_out_of_paper(self) -> None:
        self._cast.house.wires.printer.paper_out = True
        self._tell("paper_out", "the printer is out of paper; receipts wait")

    async def _put_paper_in(self) -> None:
        self._cast.house.wires.printer.paper_out = False
        self._tell("paper_back", "a new roll; what waited comes out")

    async def _kill_hub(self) -> None:
        cast = self._cast
        desk = cast.rng.choice(cast.tills).desk
        desk.posting.clear()
        async with asyncio.timeout(WAIT_S):
            await desk.posting.wait()
        await asyncio.sleep(cast.rng.uniform(0, KILL_DELAY_S))
        self._tell("hub_killed", f"kill -9: the hub is gone in the middle of a sale of {desk.name}")
        cast.house.hub.kill()
        async with asyncio.timeout(WAIT_S):
            await cast.house.hub.ready.wait()
        self._tell("hub_ready", "the hub is back")

    async def _restart_counter(self) -> None:
        counters = self._cast.counters

        async def is_settled() -> bool:
            return counters.is_settled()

        await self._until(is_settled, "the counters did not find the broker again")
        counters.restart()
        self._tell("counter_reset", "the counter at the main door loses its power and its totals")

    async def _copy_a_receipt(self) -> None:
        receipts = [sale for till in self._cast.tills for sale in till.sold if sale["print"]]
        sale_id = self._cast.rng.choice(receipts)["sale_id"]
        answer: dict[str, str] = {}
        while not answer.get("job_id"):  # a job that is not printed yet is copied as well
            answer = await self._cast.boss.post(
                "reprint", f"/v1/print/sale~{sale_id}/reprint", {"copy_id": new_id()}, sale_id=sale_id
            )
        self._tell("reprint", "a customer asks for a copy of a receipt")

    async def _nothing(self) -> None:
        """The end of the day."""

    async def _plant_fault(self) -> None:
        """Do what the fault of the day is; the auditor is not told."""
        cast = self._cast
        if cast.till_wire is not None:
            self._whisper("a wire between a till and the hub begins to lie")
            cast.till_wire.arm()
            cast.tills[1].wishes.append(Wish((self._plenty(),), is_printed=False))
        elif self._fault == "misprint":
            self._whisper("a wire to the printer begins to lie")
            cast.printer_wire.arm()
            cast.tills[1].wishes.append(Wish((self._plenty(),)))
        elif self._fault == "oversell":
            sku = self._plenty()
            self._whisper(f"somebody at head office marks {sku} as a service, which has no stock")
            entry = cast.entries[sku]
            await cast.cloud.put_products([replace(entry, product=replace(entry.product, stocked=False))])

            async def is_down() -> bool:
                return (await cast.manager.product(sku)).stock is None

            await self._until(is_down, f"{sku} did not come down")
            cast.tills[1].wishes.append(Wish((sku,), is_printed=False))

    async def _miscount(self) -> None:
        """Let a counter lie, and see that it was believed."""
        self._whisper("a counter counts a crowd that was not there")
        await self._insist(self._cast.counters.lie)

        async def is_believed() -> bool:
            page = await self._cast.cloud.feed(Stream.FOOTFALL)
            return any(each["row"]["in"] >= CROWD for each in page.rows)

        await self._until(is_believed, "the crowd did not come to the cloud")

    def _plenty(self) -> str:
        """Return what lies on the shelf for sure."""
        cast = self._cast
        each = [sku for sku in cast.shelf.there if cast.shelf.units[sku] == "each" and cast.entries[sku].product.gtins]
        return max(each, key=lambda sku: cast.shelf.there[sku])

    async def _mind_the_printer(self) -> None:
        """A manager who looks at what the ledger calls unknown, and has it printed again."""
        while True:
            for job_id, sale_id in await self._jobs("unknown"):
                await self._cast.boss.post("retry", f"/v1/print/{job_id}/retry", {}, sale_id=sale_id)
            await asyncio.sleep(LOOK_S)

    async def _jobs(self, *states: str) -> list[tuple[str, str]]:
        try:
            jobs = await self._cast.manager.print_jobs()
        except _TROUBLE:
            return []
        return [(job.job_id, job.sale_id or "") for job in jobs if job.state in states]

    async def _inspect(self) -> None:
        """An inspector who asks the cloud, at once, for what a till was told is safe."""
        while True:
            await asyncio.sleep(INSPECT_SHARE * self._seconds)
            till = self._cast.rng.choice(self._cast.tills)
            safe = await till.ask_status()
            if safe:
                sale_id, at, status = self._cast.rng.choice(safe), now_ms(), 200
                try:
                    await self._cast.cloud.sales(sale_id)
                except ProblemError as err:
                    status = err.problem.status
                self._journals.office.note(at=at, ask="safe_sale", sale_id=sale_id, status=status)

    async def _report(self) -> None:
        """Say now and then how far the day is and what waits."""
        while True:
            await asyncio.sleep(max(REPORT_EVERY_S, REPORT_SHARE * self._seconds))
            sales, waiting = sum(len(till.sold) for till in self._cast.tills), await self._waiting()
            self._print(f"      {sales} sales{', ' if waiting else ''}{waiting}")

    async def _drain(self) -> None:
        """Return when nothing waits for the printer or for the line, and has not for QUIET_S."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + WAIT_S + self._seconds
        quiet_since_s = loop.time()
        while loop.time() < quiet_since_s + QUIET_S:
            if waiting := await self._waiting():
                quiet_since_s = loop.time()
                if quiet_since_s > end_s:
                    raise StartError(f"the day does not come to rest: {waiting}; see hub.log and cloud.log")
            await asyncio.sleep(POLL_S)

    async def _waiting(self) -> str:
        """Return what is not in the cloud or on paper yet; nothing when all is."""
        waiting = []
        if jobs := await self._jobs("queued", "printing", "unknown"):
            waiting.append(f"{len(jobs)} receipts wait for the printer")
        try:
            view = await self._cast.manager.sync()
        except _TROUBLE:
            return "the hub is away"
        if view.rows_waiting or not view.up:
            waiting.append(f"{view.rows_waiting} rows wait for the line")
        return ", ".join(waiting)

    async def _until(self, holds: Callable[[], Awaitable[bool]], otherwise: str) -> None:
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    try:
                        if await holds():
                            return
                    except (aiohttp.ClientError, OSError, UnreachableError):
                        pass
                    await asyncio.sleep(POLL_S)
        except TimeoutError as err:
            raise StartError(f"{otherwise} within {WAIT_S:g} s; see hub.log and cloud.log") from err

    async def _insist(self, step: Step) -> None:
        """Do what needs the broker, again until it is there."""

        async def done() -> bool:
            await step()
            return True

        await self._until(done, "the broker did not answer")

    def _tell(self, what: str, words: str) -> None:
        self._journals.script.note(at=now_ms(), what=what)
        self._print(words)

    def _whisper(self, words: str) -> None:
        """Tell who watches, not the journal."""
        self._print(f"(the fault: {words})")

    def _print(self, words: str) -> None:
        print(f"{(now_ms() - self._begun_ms) / 1000:6.1f} s  {words}", flush=True)
