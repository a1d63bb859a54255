"""GET /v1/attention: what waits for the manager, a page at a time, on a hub with a real file."""

from typing import Any

from sync.store.replicas import replica_id
from sync.store.retention import note_hole
from sync.store.unknown import keep_unknown

OTHER = "hk01:00000000000000b2"


async def set_aside(hub: Any) -> None:
    def job(tx: Any) -> None:
        other = replica_id(tx, OTHER, now_ms=1)
        keep_unknown(tx, other, "sales", [(9, b"{}"), (10, b"{}")])
        note_hole(tx, other, "stock", after=2, last=7, now_ms=1)
        tx.execute("INSERT INTO conflict VALUES ('member', 'm1', 'name', ?, 1, 0, '\"Ann\"')", (OTHER,))
        tx.execute("INSERT INTO suspended_sale VALUES ('s1', X'01', 't1', 1, '{}')")
        tx.execute("INSERT INTO second_row VALUES (?, 'sales', 5, 'sale', 's2', X'7B7D')", (other,))

    await hub.runtime.db.write(job)


async def test_the_list_names_each_thing_once_whatever_the_size_of_a_page(hub: Any, pair_till: Any) -> None:
    manager = await pair_till(hub, scope="manager")
    await set_aside(hub)
    whole = (await manager.get("/v1/attention")).json
    pages: list[Any] = []
    for limit in (1, 2, 5):
        after, items = "", []
        while True:
            page = (await manager.get("/v1/attention", limit=str(limit), after=after)).json
            items += page["items"]
            after = page.get("next", "")
            if not after:
                break
        pages.append(items)

    assert pages == [whole["items"]] * 3
    assert [line["kind"] for line in whole["items"]] == [
        "suspended",
        "second",
        "lost_field",
        "unread",
        "unread",
        "hole",
    ]
    assert whole["items"][-1]["said"] == "rows 3 to 7 are lost"


async def test_an_empty_list_is_empty_and_only_a_manager_reads_it(hub: Any, till: Any, pair_till: Any) -> None:
    manager = await pair_till(hub, scope="manager")

    assert (await manager.get("/v1/attention")).json["items"] == []
    assert (await till.get("/v1/attention")).status == 403
