"""Duplicates: one key that two replicas wrote (one sale on two hubs). Whose row stands, and what the others take back. Pure.

    stands             the row of the replica that was sealed first, else that of the smallest living replica
    living and fell    writes a `duplicate` fact with its own effects negated, and its receipt number is void
    living, and stands again (the row before it was not held when its writer was sealed): a second one, which restores; and so on
    sealed             writes nothing: its tallies are frozen by the seal, and `counts_when_sealed` says what goes into them
    contents equal     a duplicate: nobody needs to look
    contents differ    contested: what fell is suspended for the manager, who books it under a new key or discards it

The n-th fact of a loser under a key is one key (`duplicate_id`): written once; odd ones take back, even ones restore. Once a
sealed row stands it stands for ever: the seals are one stream in one order. So sums over unique keys = sums of tallies. Sum
either what stands, without `duplicate` facts, or every row of every living writer with them: never one with the other.
Rows of a sealed replica beyond its sealed heads are no rows: they come again under its next incarnation, and what it had taken
back is void with them. Not here: storage, seals. Source: the design, 3.1 and 3.3 (Sale).
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Annotated

from msgspec import Meta, Struct

from sync.merge import FactDot, standing
from sync.retail.sales import PointsEffect, StockEffect

KEY_CHARS_MAX = 200


class Row(Struct, frozen=True):
    """A row under the key. `content` is the versioned hash of the till-made fields; what a hub added may differ."""

    rep: str
    seq: int
    content: bytes
    stock: tuple[StockEffect, ...] = ()
    points: tuple[PointsEffect, ...] = ()
    receipt_no: str = ""


class Decision(Struct, frozen=True):
    """Whose row stands, who fell (by name), and whether they said different things."""

    standing: Row
    fallen: tuple[Row, ...] = ()
    is_contested: bool = False


class Compensation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a `duplicate` fact says: `rep` takes its row (`seq`) out of its tallies, or with an even `n` puts it back."""

    kind: str
    key: Annotated[str, Meta(min_length=1, max_length=KEY_CHARS_MAX)]
    rep: str
    seq: int
    n: Annotated[int, Meta(ge=1)] = 1
    standing_rep: str
    standing_seq: int
    stock: tuple[StockEffect, ...] = ()
    points: tuple[PointsEffect, ...] = ()
    void_receipt_no: str = ""
    suspended: bool = False

    @property
    def duplicate_id(self) -> str:
        """The fact's key."""
        return f"{self.kind}/{self.key}/{self.rep}/{self.n}"


def decide(rows: Iterable[Row], seals: Sequence[str] = ()) -> Decision:
    """Return which of the rows under one key stands, by sync.merge.standing; `seals` are in the order of the cloud's stream."""
    order = {rep: place for place, rep in reversed(list(enumerate(seals)))}
    by_rep = {row.rep: row for row in rows}
    assert by_rep, "a key has a row"
    dots = (FactDot(row.rep, row.seq) for row in by_rep.values())
    stands = by_rep[reduce(lambda one, other: standing(one, other, order), dots).rep]
    fallen = tuple(sorted((row for row in by_rep.values() if row is not stands), key=lambda row: row.rep))
    return Decision(stands, fallen, any(row.content != stands.content for row in fallen))


def due(
    kind: str, key: str, rows: Iterable[Row], *, seals: Sequence[str], facts: Iterable[Compensation], rep: str
) -> Compensation | None:
    """Return what a replica must write about its own row, None when its tallies are right as they are.

    `facts` are the compensations of the key that it holds; its own of its row are all that count, so it never forgets one.
    """
    known = list(rows)
    own = next((row for row in known if row.rep == rep), None)
    if own is None or rep in seals:
        return None
    written = len({f.n for f in facts if (f.kind, f.key, f.rep, f.seq) == (kind, key, rep, own.seq)})
    decision, is_counted = decide(known, seals), written % 2 == 0
    if is_counted == (decision.standing == own):
        return None
    sign = -1 if is_counted else 1
    return Compensation(
        kind=kind,
        key=key,
        rep=rep,
        seq=own.seq,
        n=written + 1,
        standing_rep=decision.standing.rep,
        standing_seq=decision.standing.seq,
        stock=tuple(StockEffect(each.sku, each.location, sign * each.qty) for each in own.stock),
        points=tuple(PointsEffect(each.member_id, sign * each.points) for each in own.points),
        void_receipt_no=own.receipt_no if is_counted else "",
        suspended=own.content != decision.standing.content,
    )


def counts_when_sealed(rows: Iterable[Row], seals: Sequence[str], *, rep: str) -> bool:
    """Say whether a row goes into the tallies of its writer as it is sealed: unless one sealed earlier holds the key.

    `seals` are those before this one, `rows` what the cloud holds. Whatever the writer had taken back is void: its row stands.
    """
    return decide(rows, [*seals, rep]).standing.rep == rep
