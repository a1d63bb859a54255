"""What holds for every route alike: how lists are paged, and that nothing is taken which nobody declared."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from hub.api.paging import cut
from hub.api.server import routes

FEED = "/v1/catalogue"  # a mirror's cursor is always there, `more` says whether to ask again
OF_PROGRAMS = "/sync/"  # a newer cloud may say more than this hub knows
LISTS = [route for route in routes() if "next" in getattr(route.answer, "__struct_fields__", ()) and route.path != FEED]


def structs_in(part: Any, seen: set[type]) -> Iterator[inspect.StructType]:
    """Yield every struct that a value of this type may have in it."""
    if isinstance(part, inspect.StructType):
        if part.cls in seen:
            return
        seen.add(part.cls)
        yield part
        for field in part.fields:
            yield from structs_in(field.type, seen)
    for name in ("type", "item_type", "key_type", "value_type", "types", "item_types"):
        inner = getattr(part, name, ())
        for each in inner if isinstance(inner, tuple) else (inner,):
            yield from structs_in(each, seen)


def open_structs(struct: type) -> list[str]:
    """Return those that would skip a field that they do not know, a parameter that somebody misspelt."""
    found = structs_in(inspect.type_info(struct), set())
    return sorted(each.cls.__qualname__ for each in found if not each.forbid_unknown_fields)


def test_no_request_skips_a_field_that_nobody_declared() -> None:
    asked = [(route, struct) for route in routes() for struct in (route.body, route.query) if struct is not None]
    assert len(asked) > 50, "the search finds the bodies and the queries"

    found = {f"{route.method} {route.path}": open_structs(struct) for route, struct in asked}

    assert {name: said for name, said in found.items() if said and OF_PROGRAMS not in name} == {}


def test_the_search_for_open_structs_would_find_one() -> None:
    class Inner(msgspec.Struct):
        pass

    class Outer(msgspec.Struct, forbid_unknown_fields=True):
        parts: dict[str, tuple[Inner | None, ...]] = {}

    assert [each.rpartition(".")[2] for each in open_structs(Outer)] == ["Inner"]


def test_every_list_with_pages_says_null_behind_the_last(contract: Any) -> None:
    assert len(LISTS) > 8, "the search finds the lists"
    schemas = contract.document["components"]["schemas"]

    for route in LISTS:
        said = schemas[route.answer.__name__]["properties"]["next"]
        assert {part["type"] for part in said["anyOf"]} == {"string", "null"}, route.path
        assert not route.answer.__struct_config__.omit_defaults, f"{route.path} leaves `next` out"
        assert {"after", "limit"} <= set(route.query.__struct_fields__), route.path  # type: ignore[union-attr]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_page_that_is_just_full_is_the_last(limit: int) -> None:
    for there in range(6):
        rows = list(range(there))
        shown, behind = cut(rows[: limit + 1], limit, name=str)

        assert shown == rows[:limit]
        assert behind == (str(shown[-1]) if there > limit else None)


async def test_lists_of_one_row_say_null_where_a_page_of_one_holds_it_all(hub: Any, pair_till: Any) -> None:
    """A page that is just full: the rows of one delivery, one transfer, one hold, one line for the manager, one Z report."""
    manager = await pair_till(hub, scope="manager")
    short = {"kind": "receive", "document_id": "d1", "lines": [{"sku": "TEA-01", "qty": 1, "expected": 2}]}
    sent = {"kind": "transfer_out", "to": "hk02", "document_id": "d2", "lines": [{"sku": "SHIRT-M", "qty": 1}]}
    held = {"reservation_id": "r1", "basket_id": "b1", "lines": [{"sku": "TEA-01", "qty": 1}]}
    drawer = {"session_id": "w1", "till_id": manager.till_id, "float_amount": 0}
    for path, body in (
        ("/v1/stock/documents", short),
        ("/v1/stock/documents", sent),
        ("/v1/reservations", held),
        ("/v1/drawer-sessions", drawer),
        ("/v1/drawer-sessions/w1/close", {"counted": []}),
    ):
        assert (await manager.post(path, body)).status in (200, 201), path

    for path, count in (
        ("/v1/stock/documents", 1),
        ("/v1/stock/transfers", 1),
        ("/v1/reservations", 1),
        ("/v1/attention", 1),
        ("/v1/z-reports", 1),
        ("/v1/products", 6),
    ):
        page = (await manager.get(path, limit=str(count))).json
        assert (len(page["items"]), page["next"]) == (count, None), path
