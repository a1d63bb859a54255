"""The stamps that a batch brings: of every cell of a shared register, and of nothing else."""

from dataclasses import replace

import msgspec
import pytest

from sync.clock import Stamp
from sync.entities import REGISTRY, Registry
from sync.kinds import Authority
from sync.merge import Cell
from sync.retail.people.members import MEMBER, MemberRow
from sync.stamps import StampedCell, is_stamped, stamped_cells


class GuestRow(msgspec.Struct, tag_field="kind", tag="guest"):
    guest: str
    cells: dict[str, Cell]


class VisitRow(msgspec.Struct, tag_field="kind", tag="visit"):
    visit: str
    n: int
    gone: bool = False


class TaggedMember(MemberRow, frozen=True, tag_field="kind", tag="member"):
    """A member whose stream has other rows beside it."""


EARLY, LATE = Stamp(1, 0, "hk01:a"), Stamp(2, 0, "hk01:a")
MEI = MemberRow(key="m1", cells={"name": Cell("Mei", EARLY), "phone": Cell("1", LATE)})
LI = MemberRow(key="m2", cells={"name": Cell("Li", LATE)})


def test_every_cell_is_given_with_its_register_in_the_order_of_the_rows() -> None:
    rows = [(3, msgspec.json.encode(MEI)), (4, b"no row"), (5, msgspec.json.encode(LI))]
    found = list(stamped_cells("members", rows))

    assert found == [
        StampedCell("member", "m1", "name", Cell("Mei", EARLY)),
        StampedCell("member", "m1", "phone", Cell("1", LATE)),
        StampedCell("member", "m2", "name", Cell("Li", LATE)),
    ]
    assert [each.stamp for each in found] == [EARLY, LATE, LATE]


@pytest.mark.parametrize("stream", REGISTRY.streams)
def test_only_shared_registers_have_stamps(stream: str) -> None:
    assert is_stamped(stream) == (stream == "members")
    assert stream == "members" or list(stamped_cells(stream, [(1, msgspec.json.encode(MEI))])) == []


def test_shared_registers_of_one_stream_are_each_read_as_their_own() -> None:
    guest = replace(MEMBER, name="guest", table="guest", row=GuestRow, key=(replace(MEMBER.key[0], path="guest"),))
    registry = Registry((replace(MEMBER, row=TaggedMember), guest))
    rows = [(1, msgspec.json.encode(GuestRow("g1", {"name": Cell("Ann", EARLY)})))]

    assert list(stamped_cells("members", rows, registry=registry)) == [
        StampedCell("guest", "g1", "name", Cell("Ann", EARLY))
    ]


def test_a_stream_is_stamped_by_one_shared_register_and_rows_of_others_in_it_have_no_stamps() -> None:
    visit = replace(
        MEMBER,
        name="visit",
        table="visit",
        row=VisitRow,
        key=(replace(MEMBER.key[0], path="visit"),),
        authority=Authority.STORE,
    )
    member = replace(MEMBER, row=TaggedMember)
    rows = [
        (1, msgspec.json.encode(VisitRow("v1", 1))),
        (2, msgspec.json.encode(TaggedMember(key="m2", cells=LI.cells))),
    ]

    for entities in ((visit, member), (member, visit)):
        registry = Registry(entities)
        assert is_stamped("members", registry=registry)
        assert [each.key for each in stamped_cells("members", rows, registry=registry)] == ["m2"]
