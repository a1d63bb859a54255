"""Points in the jobs of sales and returns, entries by hand, and what is at stake: functions of a write job.

    sale      earns by the rule on its goods; burns what its till has given for points, if it may (sync.retail.people.points)
    return    takes back its part of what the sale earned, gives back its part of what was burned (sync.retail.people.points_back)
    entry     a manager's correction, with a reason

A shop without a cloud has the one ledger and burns what there is. With one it burns what the cloud has set aside for the sale
(hub.point_holds), and under the cap of a member's day where the cloud has not answered: what other shops have burned just now is
not known here. A sale that already happened is booked whatever it burned, with a warning.
Effects are written to the member that was named, and balances are of the person: ledgers are never rewritten.
"""

from collections.abc import Callable, Iterable
from sqlite3 import Connection
from typing import Literal

import msgspec
from msgspec import Struct

from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.store.member_rules import MemberRules
from hub.store.model import Shop, utc
from hub.store.people.people import is_heard_of, is_known, person, person_ids, tier_of
from hub.store.people.point_balance import apply_points, balance
from hub.store.staff.audit_trail import note
from sync.model import Replica
from sync.retail.people.points import (
    POINTS,
    Burn,
    PointsFact,
    PointsRule,
    Where,
    may_burn,
    points_due,
)
from sync.retail.selling.days import business_date
from sync.retail.selling.sales import Id, Points, PointsEffect, Sale, Warned, amount_of
from sync.store.writing import record_fact

PointsWord = Literal["", "held", "denied"]
"""What the cloud has said of a burn; "": it was not asked, or did not answer in time."""


class Spent(Struct, frozen=True):
    """What a sale does to points: `conditional` were burned under the cap."""

    effects: tuple[PointsEffect, ...] = ()
    conditional: int = 0
    warnings: tuple[Warned, ...] = ()


class Standing(Struct, frozen=True, kw_only=True):
    """What a burn of a person's points is held against; see sync.retail.people.points.may_burn."""

    where: Where
    balance: int
    burned_off_line: int
    off_line_max: int
    is_contested: bool

    def verdict(self, points: int) -> Burn:
        """Return what becomes of a wish to burn so many."""
        return may_burn(
            points,
            where=self.where,
            balance=self.balance,
            burned_off_line=self.burned_off_line,
            off_line_max=self.off_line_max,
            is_contested=self.is_contested,
        )


class Adjustment(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A correction of a balance by a manager."""

    entry_id: Id
    points: Points
    why: Id


class Balance(Struct, frozen=True):
    """What a person has after an entry."""

    member_id: str
    entry_id: str
    points: int
    repeated: bool = False


class Exposure(Struct, frozen=True):
    """Points that were burned under the cap and that the cloud does not hold yet, by member."""

    members: dict[str, int]
    points: int


def sale_points(tx: Connection, rules: MemberRules, sale: Sale, *, day: str, word: PointsWord = "") -> Spent:
    """Return what a sale does to points; raise RefusedError (points_*) for a burn that may not be. `word` is the cloud's.

    Write it with `book_points` in the same job.
    """
    if sale.member_id is None:
        return Spent()
    rule = _rule(tx, rules, sale.member_id)
    earned = points_due(rule, sum(map(amount_of, sale.lines))) if rule else 0
    effects = (PointsEffect(sale.member_id, earned),) if earned else ()
    if not effects and not sale.points_burned:
        return Spent()
    noted = () if is_heard_of(tx, sale.member_id) else (Warned("member_unknown", detail=sale.member_id),)
    if not sale.points_burned:
        return Spent(effects, warnings=noted)
    verdict = _verdict(tx, rules, sale.member_id, sale.points_burned, day=day, word=word)
    warnings: tuple[Warned, ...] = noted
    refused = _refused(verdict, f"{sale.points_burned} points of {sale.member_id}")
    if refused is not None:
        if not sale.offline:
            raise refused
        warnings = (*noted, Warned(refused.code, detail=refused.detail))
    burned = PointsEffect(sale.member_id, -sale.points_burned)
    return Spent((*effects, burned), 0 if verdict is Burn.ALLOWED else sale.points_burned, warnings)


def standing(read: Connection, rules: MemberRules, member_id: str, *, day: str, where: Where) -> Standing:
    """Return how a member's person stands on a trading day."""
    view = person(read, member_id, rules)
    ids = view.ids if view else [member_id]
    return Standing(
        where=where,
        balance=balance(read, ids),
        burned_off_line=_burned_on(read, ids, day),
        off_line_max=rules.burn_off_line_max,
        is_contested=bool(view and view.contested),
    )


def book_points(tx: Connection, spent: Spent, entity: str, key: str, *, day: str, now_ms: int) -> None:
    """Add a fact's effects to the balances; note what of it was burned under the cap."""
    apply_effects_of(tx, spent.effects)
    if spent.conditional:
        tx.execute(
            """
            INSERT INTO point_burn (entity, key, member_id, business_date, points, burned_ms) VALUES (?, ?, ?, ?, ?, ?)
            """,
            (entity, key, spent.effects[-1].member_id, day, spent.conditional, now_ms),
        )


def apply_effects_of(tx: Connection, effects: Iterable[PointsEffect]) -> None:
    """Add effects to the balances of the members they name."""
    sums: dict[str, int] = {}
    for effect in effects:
        sums[effect.member_id] = sums.get(effect.member_id, 0) + effect.points
    if sums:
        apply_points(tx, sums)


def adjust_job(
    replica: Replica, shop: Shop, member_id: str, content: Adjustment, *, actor: str, now_ms: int
) -> Callable[[Connection], Balance]:
    """Return the write job of a correction; it raises NotFoundError, RefusedError or ConflictError, nothing written."""

    def job(tx: Connection) -> Balance:
        if not content.points:
            raise RefusedError("points", "an entry of 0 points changes nothing", pointer="/points")
        known = tx.execute("SELECT body FROM points_entry WHERE entry_id = ?", (content.entry_id,)).fetchone()
        effects = (PointsEffect(member_id, content.points),)
        if known is not None:
            fact = msgspec.json.decode(known[0], type=PointsFact)
            if (fact.points, fact.why, fact.reason) != (effects, content.why, "adjust"):
                detail = f"entry {content.entry_id} is known with other content"
                raise ConflictError("other_content", detail, pointer="/entry_id")
        elif not is_known(tx, member_id):
            raise NotFoundError("member", f"no member {member_id!r}")
        else:
            _write(tx, replica, shop, content, effects, now_ms=now_ms)
            said = f"{content.points} {content.why}"
            note(tx, actor=actor, action="points_corrected", subject=member_id, reason=said, now_ms=now_ms)
        ids = person_ids(tx, member_id)[0]
        return Balance(ids[0], content.entry_id, balance(tx, ids), known is not None)

    return job


def exposure(read: Connection, *, held: int, replica: int) -> Exposure:
    """Return what was burned under the cap in sales of this life behind the seq that the cloud holds."""
    rows = read.execute(
        """
        SELECT member_id, sum(points) FROM point_burn JOIN sale ON sale.sale_id = point_burn.key
        WHERE point_burn.entity = 'sale' AND sale.replica = ? AND sale.seq > ? GROUP BY member_id ORDER BY member_id
        """,
        (replica, held),
    ).fetchall()
    return Exposure(dict(rows), sum(points for _, points in rows))


def overdrafts(read: Connection, rules: MemberRules, *, limit: int) -> dict[str, int]:
    """Return who burned points here without the cloud's word and has less than none now, with how many are missing."""
    if not rules.has_cloud:
        return {}
    rows = read.execute("SELECT DISTINCT member_id FROM point_burn ORDER BY member_id LIMIT ?", (limit,)).fetchall()
    people = {ids[0]: ids for (member,) in rows for ids in (person_ids(read, member)[0],)}
    return {first: -left for first, ids in sorted(people.items()) if (left := balance(read, ids)) < 0}


def _rule(tx: Connection, rules: MemberRules, member_id: str) -> PointsRule | None:
    if not rules.points_by_tier:
        return rules.points
    return rules.points_by_tier.get(tier_of(tx, member_id), rules.points)


def _verdict(tx: Connection, rules: MemberRules, member_id: str, burned: int, *, day: str, word: PointsWord) -> Burn:
    where = Where.HUB_OFF_LINE if rules.has_cloud and word != "held" else Where.CLOUD
    stands = standing(tx, rules, member_id, day=day, where=where)
    if word == "denied" and not stands.is_contested:
        return Burn.BALANCE
    return stands.verdict(burned)


def _refused(verdict: Burn, what: str) -> RefusedError | None:
    at = "/points_burned"
    if verdict is Burn.BALANCE:
        return RefusedError("points_balance", f"{what}: the balance does not cover them", pointer=at)
    if verdict is Burn.CAP:
        return RefusedError("points_cap", f"{what}: more than a day's without the cloud's word", pointer=at)
    if verdict is Burn.CONTESTED:
        return RefusedError("points_contested", f"{what}: its members contradict each other", pointer=at)
    return None


def _burned_on(tx: Connection, ids: Iterable[str], day: str) -> int:
    return sum(
        tx.execute(
            "SELECT coalesce(sum(points), 0) FROM point_burn WHERE member_id = ? AND business_date = ?", (each, day)
        ).fetchone()[0]
        for each in ids
    )


def _write(
    tx: Connection,
    replica: Replica,
    shop: Shop,
    content: Adjustment,
    effects: tuple[PointsEffect, ...],
    *,
    now_ms: int,
) -> None:
    at = utc(now_ms)
    fact = PointsFact(
        entry_id=content.entry_id,
        reason="adjust",
        store=replica.store,
        rep=replica.rep,
        business_date=business_date(at, shop.zone, cut_over_hour=shop.cut_over_hour),
        why=content.why,
        points=effects,
        at=at,
    )
    record_fact(tx, replica, POINTS, fact)
    apply_effects_of(tx, effects)
