"""One person's data: told whole, or gone from every byte of the files; judged by reading the files, not through our own code."""

import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub import app
from hub.client import new_id
from hub.erasures import Erasures
from hub.migrations import MIGRATIONS
from hub.store.people.people import cells_of
from sync.clock import Stamp
from sync.db import open_database
from sync.merge import Cell
from sync.retail.people.members import MEMBER, MemberRow
from sync.store.replicas import replica_id
from sync.store.rows import apply_rows

PairTill = Callable[..., Awaitable[Any]]
CLEAR = (
    "Zebedee",
    "Quillfeather",
    "鄺",
    "91234567",
    "9123 4567",
    "zq@example.org",
    "ZQ00998877",
    "uzq-line",
    "likes plums",
    "Zebedeus",
)


@pytest.fixture
async def manager(hub: Any, pair_till: PairTill) -> Any:
    return await pair_till(hub, "manager")


@pytest.fixture
async def member(till: Any) -> str:
    """Somebody who has told everything, has changed it, was overruled by another shop, and has bought."""
    body = {
        "member_id": new_id(),
        "name": "Zebedee Quillfeather 鄺",
        "phone": "9123 4567",
        "email": "ZQ@example.org",
        "card": "ZQ00998877",
        "line_id": "uzq-line",
        "birth_month": 5,
        "consents": {"marketing": "out"},
    }
    assert (await till.post("/v1/members", body)).status == 201
    edit = {"edit_id": new_id(), "note": "likes plums", "phone": "9123 4567"}
    assert (await till.post(f"/v1/members/{body['member_id']}/edits", edit)).status == 201
    assert (await till.post("/v1/sales", till.sale(member_id=body["member_id"]))).status == 201
    return str(body["member_id"])


def files_of(hub: Any) -> Iterator[tuple[str, bytes]]:
    for path in Path(hub.config.data_dir).iterdir():
        if path.is_file():
            yield path.name, path.read_bytes()


def found_in(hub: Any) -> set[str]:
    """Return which clear words stand in any file, in any of the encodings and cases in which they were written."""
    return {
        word
        for _, content in files_of(hub)
        for word in CLEAR
        if word.encode() in content or word.casefold().encode() in content or repr(word)[1:-1].encode() in content
    }


async def overrule(hub: Any, member: str, value: str, seq: int) -> None:
    """Another shop's cell arrives, later than ours."""

    def job(tx: Any) -> None:
        stamp = Stamp(hub.clock.now_ms + 1000 * seq, 0, "hk02:f00d")
        row = MemberRow(key=member, cells={"name": Cell(value, stamp)})
        other = replica_id(tx, "hk02:f00d", now_ms=1)
        apply_rows(tx, MEMBER.stream, [(seq, msgspec.json.encode(row))], replica=other, rep="hk02:f00d")

    await hub.runtime.db.write(job)


async def test_after_an_erasure_no_byte_of_a_clear_value_is_left_in_any_file(
    hub: Any, till: Any, manager: Any, member: str, caplog: pytest.LogCaptureFixture
) -> None:
    await overrule(hub, member, "Zebedeus Q.", 1)
    await hub.runtime.db.empty_log()
    assert found_in(hub) == set(CLEAR) - {"9123 4567"}, "the test looks where they stand"
    answer = await manager.post(f"/v1/members/{member}/erasure", {"erasure_id": "e1"})
    assert (answer.status, answer.json) == (201, {"ids": [member], "is_overwritten": True})
    assert found_in(hub) == set()
    assert not [word for word in CLEAR if word in caplog.text]


async def test_who_was_erased_is_found_by_nothing_and_the_facts_keep_their_ids(
    hub: Any, till: Any, manager: Any, member: str
) -> None:
    await manager.post(f"/v1/members/{member}/erasure", {"erasure_id": "e1"})
    for query in ({"phone": "91234567"}, {"card": "zq00998877"}, {"scan": f"urn:storehub:member:{member}"}):
        assert (await till.get("/v1/members", **query)).json["items"] == []
    assert (await manager.get("/v1/members", q="zebedee")).json["items"] == []
    for path in (f"/v1/members/{member}", f"/v1/members/{member}/export"):
        assert (await manager.get(path)).status == 404
    sold = hub.runtime.db.read.execute("SELECT body ->> '$.sale.member_id' FROM sale").fetchone()
    assert sold == (member,)
    again = await manager.post(f"/v1/members/{member}/erasure", {"erasure_id": "e1"})
    assert (again.status, again.json["ids"]) == (200, [member])


async def test_an_erased_members_number_is_free_and_their_id_is_not(till: Any, manager: Any, member: str) -> None:
    await manager.post(f"/v1/members/{member}/erasure", {"erasure_id": "e1"})
    anew = {"member_id": new_id(), "name": "Somebody", "phone": "9123 4567"}
    assert (await till.post("/v1/members", anew)).status == 201
    back = await till.post("/v1/members", anew | {"member_id": member, "phone": "6123 4567"})
    assert (back.status, back.json["code"]) == (409, "member_erased")
    edit = await till.post(f"/v1/members/{member}/edits", {"edit_id": "e9", "name": "Zebedee"})
    assert (edit.status, edit.json["code"]) == (404, "member_erased")


async def test_what_arrives_after_the_erasure_is_absorbed(hub: Any, manager: Any, member: str) -> None:
    await manager.post(f"/v1/members/{member}/erasure", {"erasure_id": "e1"})
    await overrule(hub, member, "Zebedeus Q.", 1)
    assert cells_of(hub.runtime.db.read, member) == {"erased": True}
    await hub.runtime.db.empty_log()
    assert found_in(hub) == set()


async def test_a_joined_person_is_erased_whole(till: Any, manager: Any, member: str) -> None:
    other = {"member_id": new_id(), "name": "Z. Quillfeather", "card": "777777"}
    await till.post("/v1/members", other)
    await till.post(f"/v1/members/{member}/links", {"link_id": "l1", "other": other["member_id"]})
    answer = await manager.post(f"/v1/members/{member}/erasure", {"erasure_id": "e1"})
    assert answer.json["ids"] == sorted([member, other["member_id"]])
    assert (await till.get("/v1/members", card="777777")).json["items"] == []


async def test_an_export_tells_all_that_is_held(hub: Any, manager: Any, member: str) -> None:
    await overrule(hub, member, "Zebedeus Q.", 1)
    told = (await manager.get(f"/v1/members/{member}/export")).json
    cells = told["cells"][member]
    assert (
        cells["name"][0] == "Zebedeus Q." and cells["phone"][0] == "+85291234567" and cells["note"][0] == "likes plums"
    )
    assert [each["value"] for each in told["overruled"]] == ["Zebedee Quillfeather 鄺"]
    assert {each["of"] for each in told["identities"]} == {"phone", "email", "card", "line_id"}
    assert [each["choice"] for each in told["consents"]] == ["out"]
    assert [each["sale"]["member_id"] for each in told["sales"]] == [member]


async def test_a_till_exports_and_erases_nobody(till: Any, member: str) -> None:
    assert (await till.get(f"/v1/members/{member}/export")).status == 403
    assert (await till.post(f"/v1/members/{member}/erasure", {"erasure_id": "e1"})).status == 403
    assert (await till.get(f"/v1/members/{member}")).status == 200


async def test_nobody_is_erased_who_was_never_known(manager: Any, hub: Any) -> None:
    assert (await manager.post("/v1/members/nobody/erasure", {"erasure_id": "e1"})).status == 404
    assert hub.runtime.erasures.all() == []


async def test_a_database_put_back_erases_before_it_serves(hub: Any, manager: Any, member: str, tmp_path: Path) -> None:
    await hub.runtime.db.empty_log()
    copy = tmp_path / "copy"
    shutil.copytree(hub.config.data_dir, copy, ignore=shutil.ignore_patterns("*.sock"))
    await manager.post(f"/v1/members/{member}/erasure", {"erasure_id": "e1"})
    shutil.copy(
        Path(hub.config.data_dir) / "erased.list", copy
    )  # the list stays where it is when a database is put back
    assert b"Quillfeather" in (copy / "hub.db").read_bytes()
    async with open_database(copy / "hub.db", migrations=MIGRATIONS) as db:
        await app.open_hub(replace(hub.config, data_dir=copy), db, now_ms=hub.clock)
        assert cells_of(db.read, member) == {"erased": True}
    left = {word for word in CLEAR if word.encode() in b"".join(path.read_bytes() for path in copy.iterdir())}
    assert left == set()


def test_the_list_survives_a_torn_line_and_odd_ids(tmp_path: Path) -> None:
    erasures = Erasures(tmp_path)
    assert erasures.all() == []
    erasures.add(["m1", "茶\nm9"])
    with (tmp_path / "erased.list").open("ab") as file:
        file.write(b'\n"m2')
    erasures.add(["m3"])
    assert erasures.all() == ["m1", "茶\nm9", "m3"]
