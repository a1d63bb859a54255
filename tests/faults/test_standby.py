"""The two hubs of a store and the cloud as processes, the tills of docs/build-a-till.md: `kill -9`, a cut line, TLS.

How long it takes to sell again is measured by `python -m bench failover`; here no time is asserted.
"""

import asyncio
import hashlib
import os
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.api.staff.cashiers import EnrolRequest
from hub.client import CloudClient, HubClient, new_id
from hub.machine_client import MachineClient
from hub.store.catalogue.products import Opening
from hub.store.model import Entry
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from tests.faults.page_till import PageTill, program, start_till
from tests.faults.test_line import CLOUD, DIAL, OFFICE_TOKEN, STORE_TOKEN
from tests.faults.wire import Wire

WAIT_S = 60.0
KILLS = 20 if os.environ.get("STOREHUB_FULL") else 1
TILLS = 2
LABEL = "4890000000010"
TEA = Entry(Product(sku="TEA", gtins=[f"0{LABEL}"], name=Name(en="Tea")), Price(1000, "HKD"))
OPENING = 1_000
FOLLOWS = """
[standby]
follows = "{url}"
token = "{token}"
ca_sha256 = "{ca}"
reconnect_max_s = 0.1
"""


@pytest.fixture
async def tills(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[PageTill]]]:
    """Start a till of the page at a hub: `await tills(hub)`."""
    running: list[tuple[PageTill, asyncio.Task[None]]] = []

    async def start(hub: Any) -> PageTill:
        async with hub.control() as control:
            code = await control.make_code("till")
        till = await start_till(tmp_path / f"till{len(running)}", hub.url, code)
        running.append((till, asyncio.create_task(till.hear())))
        await till.until_at(hub.url)
        return till

    yield start
    for till, hearing in running:
        await till.end()
        await hearing


async def join(followed: Any, follower: Any, *, url: str = "", ca: str = "") -> None:
    """Let a hub follow another one, that runs, and start it."""
    async with followed.control() as control, HubClient(followed.url) as client:
        token = (await client.pair(await control.make_code("standby"), "second hub")).token
    with (follower.folder / "hub.toml").open("a", encoding="utf-8") as file:
        file.write(FOLLOWS.format(url=url or followed.url, token=token, ca=ca))
    await follower.start()
    await until(lambda: report(followed), lambda said: len(said["hubs"]["items"]) == 2)


def secure(hub: Any) -> str:
    """Return where a hub answers by TLS."""
    return f"https://127.0.0.1:{hub.port}"


async def until(ask: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool]) -> Any:
    """Ask until it holds."""
    async with asyncio.timeout(WAIT_S):
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                if holds(answer := await ask()):
                    return answer
            await asyncio.sleep(0.02)


async def report(hub: Any) -> Any:
    """Return how the hubs stand to each other, as `storehub standby status` asks it."""
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(hub.folder / "hub.sock"))) as session,
        session.get("http://hub/control/standby") as answer,
    ):
        return await answer.json()


async def clients(hub: Any) -> set[str]:
    """Return who is let in."""
    async with hub.control() as control:
        return {each.till_id for each in await control.tills() if each.revoked_at is None}


async def status(hub: Any, token: str, sale_ids: list[str]) -> dict[str, Any]:
    """Return what a hub says of sales."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.post(f"{hub.url}/v1/sales/status", json={"ids": sale_ids}) as answer,
    ):
        return {each["sale_id"]: each for each in (await answer.json())["sales"]}


async def manager(hub: Any) -> str:
    """Return a manager's token."""
    async with hub.control() as control, HubClient(hub.url) as client:
        return (await client.pair(await control.make_code("manager"), "console")).token


async def until_level(back: Any, other: Any, token: str, sale_ids: list[str]) -> None:
    """Wait until a hub that is back has what was sold meanwhile, and the other one what it had sold."""
    newest = sale_ids[-1000:]
    await until(lambda: status(back, token, newest), lambda said: all(each["durable"] for each in said.values()))
    await until(lambda: report(other), lambda said: (said["behind_here"], said["behind_there"]) == (0, 0))


async def audit(hub: Any) -> None:
    """Have the books of a hub that is down read from their beginning."""
    command = (sys.executable, "-m", "hub", "audit", "--config", str(hub.folder / "hub.toml"))
    assert await (await asyncio.create_subprocess_exec(*command)).wait() == 0


@pytest.fixture
async def shop(hub_process: Any, cloud_process: Any) -> tuple[Any, Any, Any]:
    """A cloud with one product, the hub that is followed and the one that follows, all running; the goods are in the shop."""
    cloud = cloud_process(CLOUD)
    await cloud.start()
    dial = DIAL.format(url=cloud.url, token=STORE_TOKEN)
    first, second = hub_process(cloud=dial, folder="first"), hub_process(cloud=dial, folder="second")
    await first.start()
    async with CloudClient(cloud.url, OFFICE_TOKEN) as office:
        await office.put_products([TEA])
    await join(first, second)
    async with first.control() as control:
        await until(lambda: control.open_stock([Opening("TEA", OPENING)]), bool)
    return cloud, first, second


async def test_tills_sell_on_at_the_other_hub_when_theirs_is_killed_and_nothing_is_lost_or_doubled(
    shop: tuple[Any, Any, Any], tills: Any, judge: Any
) -> None:
    """Rehearsed first: sent over and back while they sell. Then killed in the middle of sales; what was safe is at the other hub
    or in the cloud that very moment; the one that comes back has it all."""
    cloud, first, second = shop
    sellers = [await tills(first) for _ in range(TILLS)]
    boss = await manager(first)
    await until(lambda: clients(second), lambda known: len(known) == TILLS + 1)
    await asyncio.gather(*(till.sell(LABEL, 3) for till in sellers))
    await asyncio.gather(*(till.until_safe(2) for till in sellers))
    for there in (second, first):
        async with MachineClient("http://hub", unix_socket=second.folder / "hub.sock") as operator:
            await operator.prefer_hub(here=there is second)
        await asyncio.gather(*(till.sell(LABEL, 2) for till in sellers))
        await asyncio.gather(*(till.until_at(there.url) for till in sellers))

    for kill in range(KILLS):
        here, there = (first, second) if kill % 2 == 0 else (second, first)
        selling = asyncio.gather(*(till.sell(LABEL, 12) for till in sellers))
        await asyncio.gather(*(till.until_durable(len(till.durable) + 3) for till in sellers))
        await here.kill()
        was_safe = sorted(set().union(*(till.safe for till in sellers)))
        known = await status(there, boss, was_safe[-1000:])
        for sale_id in [sale_id for sale_id, each in known.items() if not each["durable"]]:
            async with CloudClient(cloud.url, OFFICE_TOKEN) as office:
                assert (await office.sales(sale_id))["sale_id"] == sale_id, "safe, and on no other machine"

        await selling
        await asyncio.gather(*(till.until_at(there.url) for till in sellers))
        await asyncio.gather(*(till.until_safe(len(till.paid)) for till in sellers))
        await here.start()
        await until_level(here, there, boss, [sale_id for till in sellers for sale_id in till.paid])

    if KILLS > 1:  # the hub that is back has its tills again half a minute later
        await asyncio.gather(*(till.until_at(first.url) for till in sellers))
    assert [till.refused for till in sellers] == [[]] * TILLS
    paid = [sale_id for till in sellers for sale_id in till.paid]
    for hub in (first, second):
        await hub.kill()
        found = judge(hub.folder)
        assert (found.integrity, found.stock["TEA"]) == ("ok", OPENING - len(paid))
        assert sorted(sale[2] for sale in found.sales) == sorted(paid)
        await audit(hub)  # its streams, too: one that both had booked has given way in one of them


async def test_both_sell_the_same_goods_while_the_line_between_them_is_cut_and_the_books_are_right_when_it_is_mended(
    hub_process: Any, judge: Any
) -> None:
    """Three pieces, four are sold; one sale is posted at both, as a till does that changed its hub in the middle of it."""
    first, second = hub_process(folder="first"), hub_process(folder="second")
    await first.start()
    wire = Wire(first.port)
    async with await wire.begin(), AsyncExitStack() as life:
        await join(first, second, url=f"http://127.0.0.1:{wire.port}")
        for hub, opening in ((first, 3), (second, None)):
            async with hub.control() as control:
                await control.put_products([Entry(TEA.product, TEA.price, opening)])
        boss = await manager(first)
        await until(lambda: clients(second), lambda known: "manager1" in known)
        await until(lambda: report(first), lambda said: all(hub["is_up"] for hub in said["hubs"]["items"]))
        http = await life.enter_async_context(aiohttp.ClientSession(headers={"Authorization": f"Bearer {boss}"}))

        async def sell(hub: Any, sale_id: str) -> Any:
            line = {"line": 1, "sku": "TEA", "qty": 1, "unit_price": 1000}
            sale = {"sale_id": sale_id, "till_id": "t1", "currency": "HKD", "lines": [line], "total": 1000}
            sale["tenders"] = [{"type": "octopus", "amount": 1000}]
            async with http.post(f"{hub.url}/v1/sales", json=sale) as answer:
                assert answer.status == 201, await answer.text()
                return await answer.json()

        wire.cut()
        twice = new_id()
        ids = [new_id() for _ in range(3)]
        numbers = Counter(
            [(await sell(hub, sale_id))["receipt_no"] for hub, sale_id in ((first, ids[0]), (second, ids[1]))]
            + [(await sell(hub, sale_id))["receipt_no"] for hub, sale_id in ((first, twice), (second, twice))]
            + [(await sell(second, ids[2]))["receipt_no"]]
        )
        assert set(numbers.values()) == {1}, "no two papers have one number"
        wire.mend()

        async def figures() -> list[Any]:
            found = []
            for hub in (first, second):
                async with http.get(f"{hub.url}/v1/products/TEA") as answer:
                    found.append((await answer.json())["stock"]["on_hand"])
            return found

        await until(figures, lambda found: found == [-1, -1])
        for hub in (first, second):
            await until(
                lambda hub=hub: status(hub, boss, [*ids, twice]), lambda said: all(e["safe"] for e in said.values())
            )
    for hub in (first, second):
        await hub.kill()
        found = judge(hub.folder)
        assert sorted({sale[2] for sale in found.sales}) == sorted([*ids, twice])
        assert (found.integrity, found.stock["TEA"]) == ("ok", -1)
        await audit(hub)


async def test_a_tablet_that_trusts_the_stores_ca_goes_over_to_the_other_hub_without_a_new_pairing(
    hub_process: Any,
) -> None:
    """By TLS, pinned; the CA with its key, the pairing, the PIN have followed. Who is shut out meanwhile stays out."""
    first, second = hub_process(folder="first"), hub_process(folder="second")
    for hub in (first, second):
        toml = hub.folder / "hub.toml"
        toml.write_text(toml.read_text("utf-8").replace("[api]\n", '[api]\nhost = "0.0.0.0"\n'), encoding="utf-8")
    await first.start()
    async with aiohttp.ClientSession() as http, http.get(f"{first.url}/ca.crt") as answer:
        der = await answer.read()
    pin = hashlib.sha256(der).hexdigest()
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.load_verify_locations(cadata=der)
    async with first.control() as control, HubClient(secure(first), context=trusting) as client:
        paired = await client.pair(await control.make_code("till"), "tablet")
        stolen = await client.pair(await control.make_code("till"), "stolen")
        await control.enrol_cashier(EnrolRequest("c1", "1", "Mei", "cashier", "4819"))
    await join(first, second, url=secure(first), ca=pin)
    known = {"t1", "t2", "standby1"}
    await until(lambda: clients(second), lambda found: found == known - {"standby1"})

    async def ask(hub: Any, token: str, path: str = "/v1/hubs", body: Any = None) -> tuple[int, Any]:
        method, headers = "POST" if body else "GET", {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting), headers=headers) as http,
            http.request(method, secure(hub) + path, json=body) as answer,
        ):
            return answer.status, await answer.json()

    at_second = await until(lambda: ask(second, paired.token), lambda said: said[0] == 200)
    assert {item["ca_sha256"] for item in at_second[1]["items"]} == {pin}
    sign_in = {"number": "1", "pin": "4819"}
    await until(lambda: ask(second, paired.token, "/v1/cashiers/sign-in", sign_in), lambda said: said[0] == 201)

    await first.kill()
    assert (await ask(second, paired.token))[0] == 200
    async with second.control() as control:
        await control.revoke_till(stolen.till_id)
    assert (await ask(second, stolen.token))[0] == 401
    await first.start()
    await until(lambda: ask(first, stolen.token), lambda said: said[0] == 401)
    assert (await ask(first, paired.token))[0] == 200


async def test_a_till_that_reaches_no_address_of_its_list_finds_the_other_hub_by_mdns(
    hub_process: Any, tills: Any, tmp_path: Path
) -> None:
    """The second hub has got another address since the till was told; the first one is dead."""
    (tmp_path / "till0").mkdir()
    (tmp_path / "till0" / "find.py").write_text(program("py"), encoding="utf-8")
    first, second = hub_process(folder="first"), hub_process(folder="second")
    for hub in (first, second):
        toml = hub.folder / "hub.toml"
        text = toml.read_text("utf-8").replace('id = "hk01"', 'id = "mdns-over"') + "[mdns]\nannounce = true\n"
        toml.write_text(text, encoding="utf-8")
    await first.start()
    await join(first, second)
    till = await tills(first)
    await until(lambda: clients(second), lambda known: "t1" in known)

    await second.kill()
    moved = hub_process(folder="moved")
    text = (second.folder / "hub.toml").read_text("utf-8").replace(f"port = {second.port}", f"port = {moved.port}")
    (second.folder / "hub.toml").write_text(text, encoding="utf-8")
    second.port = moved.port
    await second.start()
    await first.kill()
    await till.until_at(second.url)
