"""Every refusal leaves the books as they were: all tables are read before and after each refused request, on every write route.

Goal: nothing that was refused has written anything, nor told a screen of anything. Two walks over all routes:

    shape     each request that walk.py sends, with every field in turn gone, of another type, or beside one that nobody declared;
              without a token, with another's; as no JSON
    meaning   requests that fit the document and cannot be: unknown ids, other content under a known id, sums that do not add up

What a refusal does write, by design, is in WRITES of refused.py.
"""

import copy
import hashlib
import re
from collections.abc import Iterator
from typing import Any

from devices.testing.printer import SimulatedPrinter
from hub.api.server import routes
from tests.api.attached import attached
from tests.api.refused import NEVER_REFUSED, REFUSED, WRITES
from tests.api.walk import MEMBERS, Walk, walk

WRITING = ("POST", "PUT", "DELETE", "PATCH")
WRONG = {"no": ["such", "thing"]}  # of no field's type
LAN = {"host": "0.0.0.0", "port": 0}  # it has a CA, and serves this machine without TLS
BY_ITSELF = {"clock"}  # tables that a hub writes at any time


OF_MACHINES = {"device", "print", "sync", "alarm", "hubs"}  # events that come by themselves


def books(hub: Any) -> dict[str, str]:
    """Return table -> digest of all its rows, and what screens were told of the shop's business."""
    read = hub.runtime.db.read
    names = [name for (name,) in read.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    names = [name for name in names if name not in BY_ITSELF]
    found = {name: sorted(map(repr, read.execute(f'SELECT * FROM "{name}"'))) for name in names}
    told = [event.frame for event in hub.runtime.bus._ring if event.type not in OF_MACHINES]
    return {name: hashlib.blake2b(repr(rows).encode()).hexdigest() for name, rows in (found | {"events": told}).items()}


async def at_rest(hub: Any, until: Any) -> dict[str, str]:
    """Return the books when the printer, which works on by itself, has nothing to do."""
    waiting = "SELECT count(*) FROM print_job WHERE state IN ('queued', 'printing')"

    async def ask() -> int:
        return int(hub.runtime.db.read.execute(waiting).fetchone()[0])

    await until(ask, lambda count: count == 0)
    return books(hub)


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return [name for name in after if before.get(name) != after[name]]


def places(part: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where every field of a body is, how deep ever."""
    if isinstance(part, dict):
        for name, value in part.items():
            yield (*path, name)
            yield from places(value, (*path, name))
    elif isinstance(part, list):
        for index, value in enumerate(part):
            yield from places(value, (*path, index))


def objects(part: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where every object of a body is."""
    if isinstance(part, dict):
        yield path
    for name, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        yield from objects(value, (*path, name))


def put(body: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Return the body with a value at a place."""
    body = copy.deepcopy(body)
    part = body
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return body


def misshapen(body: Any, *, is_strict: bool) -> Iterator[tuple[str, Any]]:
    """Yield what a client may get wrong in a body that would be taken."""
    for path in places(body):
        yield f"{path} of no type", put(body, path, WRONG)
    for path in objects(body) if is_strict else ():
        yield f"{path} with a field more", put(body, (*path, "nobody_declared"), 1)


class Refused(Walk):
    """A walk that first asks for what is refused."""

    def __init__(self, manager: Any, *, stranger: Any, until: Any) -> None:
        super().__init__(manager)
        self.stranger, self.until = stranger, until
        self.count, self.left, self.asked = 0, list[str](), set[tuple[str, ...]]()

    async def ask(self, method: str, path: str, body: Any = None, *, by: Any = None, **query: str) -> Any:
        shape = (method, path, *sorted(body or ()))
        if method in WRITING and shape not in self.asked:  # once: a printer that hangs is given up by the hub meanwhile
            self.asked.add(shape)
            filled = path.format(**{name: value.replace("/", "%2F") for name, value in self.ids.items()})
            client, before = by or self.manager, await at_rest(self.manager.hub, self.until)
            refusals = [("without a token", self.stranger, body)] if path != "/v1/pair" else []
            if isinstance(body, dict):
                wrongs = misshapen(body, is_strict="/sync/" not in path and not path.endswith("/wire"))
                refusals += [("no JSON", client, b"{"), *((said, client, wrong) for said, wrong in wrongs)]
            for said, who, wrong in refusals:
                answer = await who.request(method, filled, wrong, params=query or None)
                after = books(self.manager.hub)
                if answer.status < 400 or before != after:
                    self.left.append(f"{method} {filled} {said}: {answer.status} {changed(before, after)}")
                before, self.count = after, self.count + 1
        return await super().ask(method, path, body, by=by, **query)


async def test_what_does_not_fit_the_document_writes_nothing(
    start_hub: Any, pair_till: Any, *, printer: SimulatedPrinter, printer_section: Any, until: Any
) -> None:
    async with attached() as counter:
        devices = {"receipts": printer_section, **counter.sections, "door": {"kind": "http_counter"}}
        hub = await start_hub(devices=devices, receipt_printer="receipts", api=LAN, members=MEMBERS)
        manager, cloud, standby = [await pair_till(hub, scope=scope) for scope in ("manager", "cloud", "standby")]
        door = await pair_till(hub, scope="device", name="door")
        await until(
            lambda: manager.get("/v1/devices"), lambda at: {each["health"] for each in at.json["items"]} == {"ready"}
        )
        went = Refused(manager, stranger=await pair_till(hub, scope=None), until=until)
        await walk(went, cloud=cloud, standby=standby, door=door, printer=printer, until=until)

    print(went.count, "refusals")
    assert went.left == [], "\n".join(went.left)


async def test_what_fits_the_document_and_cannot_be_writes_nothing(
    start_hub: Any, pair_till: Any, *, printer: SimulatedPrinter, printer_section: Any, until: Any
) -> None:
    async with attached() as counter:
        devices = {"receipts": printer_section, **counter.sections, "door": {"kind": "http_counter"}}
        hub = await start_hub(devices=devices, receipt_printer="receipts", api=LAN, members=MEMBERS)
        manager, cloud, standby = [await pair_till(hub, scope=scope) for scope in ("manager", "cloud", "standby")]
        door = await pair_till(hub, scope="device", name="door")
        await until(
            lambda: manager.get("/v1/devices"), lambda at: {each["health"] for each in at.json["items"]} == {"ready"}
        )
        await walk(Walk(manager), cloud=cloud, standby=standby, door=door, printer=printer, until=until)
        before, wrong = await at_rest(hub, until), []
        for route, body, status, code in REFUSED:
            method, _, path = route.partition(" ")
            answer = await (cloud if path.startswith("/sync/") else manager).request(method, path, body)
            after = books(hub)
            said = answer.json if answer.status >= 400 else {"code": "", "remedy": {}}
            if (answer.status, said["code"]) != (status, code) or changed(before, after) or len(said["remedy"]) != 2:
                wrong.append(f"{route} {code}: {answer.status} {answer.body!r} {changed(before, after)}")
            before = after

        for route, body, status, code, tables in WRITES:
            answer = await manager.request(*route.split(" "), body)
            after = books(hub)
            assert (answer.status, answer.json["code"], set(changed(before, after))) == (status, code, tables), route
            before = after

    assert wrong == [], "\n".join(wrong)


def test_every_route_that_writes_is_refused_something_here() -> None:
    """A path with ids filled in is found by its pattern."""
    writing = [route for route in routes() if route.method in WRITING]
    named = {name for name, *_ in (*REFUSED, *WRITES)}

    def is_named(route: Any) -> bool:
        pattern = re.compile(route.method + " " + re.sub(r"\{\w+\}", "[^/]+", route.path))
        return any(pattern.fullmatch(name) for name in named)

    assert {f"{each.method} {each.path}" for each in writing if not is_named(each)} == NEVER_REFUSED
