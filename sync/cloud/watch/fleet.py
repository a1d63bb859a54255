"""The fleet as head office watches it: one line a store, of what the cloud knows and what its hubs say of themselves.

    up          connected at this worker, or heard of within HEARD_MS: hubs speak every five minutes, maybe to another worker
    resting     it dials by a schedule, and the next contact is not overdue
    shut        shut out: all its tokens were revoked, and it is not connected
    down        anything else; since when is its last contact
    never       it was never heard of

Functions of a connection that reads, and pure ones. Not here: HTTP and the page (sync.cloud.watch.routes).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from sqlite3 import Connection
from typing import Literal

from msgspec import Struct

from sync.cloud.talk.line import Connection as Talk
from sync.cloud.watch.statuses import Said, statuses
from sync.protocol import Exposure
from sync.schedule import Schedule

HEARD_MS = 330_000  # longer than sync.line.telling says nothing
LATE_SHARE = 1.5  # of the time between two contacts: beyond it a resting store is down
State = Literal["up", "resting", "shut", "down", "never"]


class Watched(Struct, frozen=True, kw_only=True):
    """A store of the fleet; times are milliseconds UTC, None where nobody knows.

    `disputes` are open ones about coupons, `overdraws` debts of rights that were settled, `differences` places where rights do
    not come to what is there, `lives_open` given up and not sealed. Accepted without a right: `pieces_owed`, goods handed out
    beyond all rights and not covered yet, and `exposure`, as the hub says. `clock_offset_ms`: the hub's clock less the
    cloud's; `is_asked`: the cloud pulls it.
    """

    store: str
    state: State
    last_contact_ms: int | None
    rows_behind: int | None = None
    behind_since_ms: int | None = None
    clock_offset_ms: int | None = None
    clock_unsure: bool = False
    software: str = ""
    copies: int | None = None
    hubs: int = 0
    lives_open: int = 0
    disputes: int = 0
    overdraws: int = 0
    differences: int = 0
    pieces_owed: int = 0
    exposure: Exposure | None = None
    rep: str | None = None
    is_asked: bool = False


class Facts(Struct, frozen=True):
    """What the database says of all stores at once."""

    said: Mapping[str, list[Said]]
    received_ms: Mapping[str, int]
    lives_open: Counter[str]
    disputes: Counter[str]
    overdraws: Counter[str]
    differences: Counter[str]
    pieces_owed: Counter[str]


def facts_of(read: Connection) -> Facts:
    """Read what there is to know; seven statements, however many stores there are."""
    received = read.execute(
        """
        SELECT replica.store, max(received_ms) FROM received JOIN replica ON replica.id = received.replica
        WHERE replica.own = 0 GROUP BY replica.store ORDER BY replica.store
        """
    ).fetchall()
    return Facts(
        said=statuses(read),
        received_ms=dict(received),
        lives_open=_counted(
            read,
            """
            SELECT replica.store, count(*) FROM ended_life JOIN replica ON replica.id = ended_life.replica
            WHERE ended_life.sealed_ms IS NULL GROUP BY replica.store ORDER BY replica.store
            """,
        ),
        disputes=_counted(
            read,
            """
            SELECT scope_of.store, count(*) FROM disputed
            JOIN scope_row ON scope_row.entity = 'dispute' AND scope_row.key = disputed.redemption_id
            JOIN scope_of ON scope_of.scope = scope_row.scope
            WHERE disputed.why = '' GROUP BY scope_of.store ORDER BY scope_of.store
            """,
        ),
        overdraws=_counted(
            read,
            """
            SELECT scope_of.store, count(*) FROM scope_row JOIN scope_of ON scope_of.scope = scope_row.scope
            WHERE scope_row.entity = 'settlement' GROUP BY scope_of.store ORDER BY scope_of.store
            """,
        ),
        differences=_counted(read, "SELECT store, count(*) FROM right_difference GROUP BY store ORDER BY store"),
        pieces_owed=_counted(
            read,  # what has no stock may have been sold as goods by a hub that did not know it yet: nobody owes a fee
            """
            SELECT store, sum(qty) FROM right_debt LEFT JOIN register ON kind = 'product' AND register.sku = right_debt.sku
            WHERE coalesce(CAST(CAST(body AS TEXT) ->> '$.stocked' AS TEXT), '') NOT IN ('0', 'false')
            GROUP BY store ORDER BY store
            """,
        ),
    )


def watched(
    store: str,
    facts: Facts,
    talks: Iterable[Talk],
    schedule: Schedule | None,
    *,
    seen_ms: int | None,
    now_ms: int,
    is_shut: bool = False,
    is_asked: bool = False,
) -> Watched:
    """Return how a store is."""
    said, connected = facts.said.get(store, []), list(talks)
    heard = [each for each in (seen_ms, facts.received_ms.get(store), *(each.said_ms for each in said)) if each]
    last_ms = max(heard, default=None)
    newest = said[0] if said else None
    status = newest.status if newest else None
    offsets = [each.clock_offset_ms for each in connected if each.clock_offset_ms is not None]
    return Watched(
        store=store,
        state="shut" if is_shut and not connected else _state(bool(connected), last_ms, schedule, now_ms),
        last_contact_ms=last_ms,
        rows_behind=status.waiting if status else None,
        behind_since_ms=(status.oldest_ms or None) if status else None,
        clock_offset_ms=-status.clock_offset_ms
        if status and status.clock_offset_ms is not None
        else next(iter(offsets), None),
        clock_unsure=status.clock_unsure if status else False,
        software=status.software if status else "",
        copies=status.copies if status else None,
        hubs=len({each.rep for each in connected}),
        lives_open=facts.lives_open[store],
        disputes=facts.disputes[store],
        overdraws=facts.overdraws[store],
        differences=facts.differences[store],
        pieces_owed=facts.pieces_owed[store],
        exposure=status.exposure if status else None,
        rep=newest.rep if newest else next((each.rep for each in connected if each.rep), None),
        is_asked=is_asked,
    )


def _state(is_connected: bool, last_ms: int | None, schedule: Schedule | None, now_ms: int) -> State:
    if is_connected:
        return "up"
    if last_ms is None:
        return "never"
    if schedule is not None and schedule.is_scheduled:
        return "resting" if now_ms - last_ms <= schedule.every_s * 1000 * LATE_SHARE else "down"
    return "up" if now_ms - last_ms <= HEARD_MS else "down"


def _counted(read: Connection, sql: str) -> Counter[str]:
    return Counter(dict(read.execute(sql).fetchall()))
