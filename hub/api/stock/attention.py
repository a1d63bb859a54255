"""The manager's list: what waits for a person, a page at a time, each line with its age and its remedy; notes on it."""

from sqlite3 import Connection
from typing import Annotated

from msgspec import Meta, Struct

from devices.plug.attachment import described
from hub.api.paging import cut
from hub.api.problems import LANGUAGES, texts
from hub.api.replica.clock import MANAGER
from hub.api.routing import Call, Reply, Route
from hub.api.stock.attention_words import said
from hub.backup.kept import LATE_AFTER
from hub.backup.lateness import Late, late
from hub.backup.noted import read_noted
from hub.store.model import utc
from hub.store.people.points import overdrafts
from hub.store.selling.baskets import left_baskets
from hub.store.stock.attention import (
    CLOSED_BY_A_PERSON,
    Note,
    Part,
    Source,
    Waiting,
    find_line,
    listed,
    notes_of,
    page,
    sources,
    take_note,
)
from sync.retail.selling.sales import Id

PAGE_MAX = 200
OVERDRAFTS_MAX = 1000  # members; more is no list for a person
BASKETS_MAX = 1000  # that nobody took up; the oldest names are shown
KINDS = CLOSED_BY_A_PERSON | {
    "overdrawn",
    "at_risk",
    "unread",
    "suspended",
    "left_basket",
    "locked",
    "points",
    "replacement",
    "backup",
    "medium",
}
NoteText = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*\Z")]


class AttentionQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`after` is `next` of the page before; `closed`: also what a person has closed."""

    after: Annotated[str, Meta(max_length=2000)] = ""
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 50
    closed: bool = False


class Line(Struct, frozen=True):
    """A line: what it is, since when, whose, what to do. `closes`: by a person's note, or by itself when its cause is gone.

    `said` is what is particular to it, in words; `code` names the words and `parts` is what stands in them.
    `amount` is what is at stake, in minor units of `currency` or in `points`. `ended`: why it is over by itself: `undone`,
    `use_left`, `borne` (by head office); such lines are told with `closed` only.
    """

    id: str
    kind: str
    key: str
    said: dict[str, str]
    code: str
    parts: dict[str, Part]
    age_s: int | None
    owner: str
    closes: str
    amount: int | None
    currency: str
    ended: str
    title: dict[str, str]
    remedy: dict[str, str]


class AttentionPage(Struct, frozen=True):
    """Lines by kind; `next` is null on the last page."""

    items: list[Line]
    next: str | None = None


class LineView(Struct, frozen=True):
    """A line and what was noted of it, oldest first."""

    line: Line
    notes: list[Note]


class NoteRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A note on a line. `close` takes it off the list, where a person may. `by` is who notes it, else the client."""

    note_id: Id
    text: NoteText
    close: bool = False
    by: Id | None = None


async def get_attention(call: Call) -> Reply:
    """GET /v1/attention"""
    hub, query = call.hub, call.query
    found = page(hub.db.read, _kinds(call), after=query.after, limit=query.limit + 1, with_closed=query.closed)
    items, behind = cut(found, query.limit, name=lambda each: each.id)
    return Reply(AttentionPage([_line(call, each) for each in items], behind))


async def get_line(call: Call) -> Reply:
    """GET /v1/attention/{id}"""
    line = find_line(_kinds(call), call.path["id"])
    return Reply(LineView(_line(call, line), notes_of(call.hub.db.read, line.id)))


async def post_note(call: Call) -> Reply:
    """POST /v1/attention/{id}/notes"""
    hub, asked = call.hub, call.body
    now_ms = hub.now_ms()
    line = find_line(_kinds(call), call.path["id"])
    note = Note(asked.note_id, asked.text, asked.close, asked.by or call.client.till_id, utc(now_ms))

    def job(tx: Connection) -> bool:
        return take_note(tx, line, note, actor=call.actor, now_ms=now_ms)

    is_new = await hub.db.write(job)
    return Reply(LineView(_line(call, line), notes_of(hub.db.read, line.id)), 201 if is_new else 200)


def _kinds(call: Call) -> dict[str, Source]:
    hub = call.hub
    rights = hub.rights.attention(hub.replication.link.peer_rep)
    left = left_baskets(hub.db.read, today=hub.today, after="", limit=BASKETS_MAX)
    overdraft = overdrafts(hub.db.read, hub.shop.members, limit=OVERDRAFTS_MAX)
    made = {
        "points": listed(
            Waiting("points", member, {"points": points}, amount=points, currency="points")
            for member, points in overdraft.items()
        ),
        "overdrawn": listed(
            Waiting("overdrawn", f"{debt.sku} {debt.location}", {"sku": debt.sku, "qty": debt.qty})
            for debt in rights.debts
        ),
        "at_risk": listed(Waiting("at_risk", promise) for promise in rights.at_risk),
    }
    made["replacement"] = listed(
        Waiting(
            "replacement",
            f"{offer.device_id} {offer.attached.node}",
            {"what": described(offer.attached)},
            owner=offer.device_id,
        )
        for offer in hub.attachments.offers()
    )
    made["backup"] = listed(
        _late(each) for each in late(hub.config.backup.targets, read_noted(hub.config.data_dir), hub.now)
    )
    medium = hub.replication.medium()
    made["medium"] = listed(
        Waiting("medium", view.to, {"why": [{"code": view.reason}]}, int(view.since.timestamp() * 1000))
        for view in ([medium] if medium and not medium.up and medium.reason != "starting" else [])
    )
    left_basket = listed(
        Waiting("left_basket", basket, {"till": till, "day": day}, since_ms, till)
        for basket, day, since_ms, till in left
    )
    kept = sources(hub.db.read, store=hub.shop.store_id, now_ms=hub.now_ms())
    return {**made, **kept, "left_basket": left_basket}


def _late(each: Late) -> Waiting:
    if each.made_at is None or each.hours is None:
        return Waiting("backup", each.target, {"target": each.target}, code="backup_none")
    since_ms = int((each.made_at + LATE_AFTER).timestamp() * 1000)
    return Waiting("backup", each.target, {"target": each.target, "hours": each.hours}, since_ms)


def _line(call: Call, waiting: Waiting) -> Line:
    told = f"attention_{waiting.kind}"
    since_ms = waiting.since_ms
    return Line(
        id=waiting.id,
        kind=waiting.kind,
        key=waiting.key,
        said=said(waiting),
        code=waiting.code or waiting.kind,
        parts=waiting.parts,
        age_s=None if since_ms is None else max(0, (call.hub.now_ms() - since_ms) // 1000),
        owner=waiting.owner,
        amount=waiting.amount,
        currency=waiting.currency,
        ended=waiting.ended,
        closes="person" if waiting.kind in CLOSED_BY_A_PERSON else "itself",
        title={language: texts(language)[told]["title"] for language in LANGUAGES},
        remedy={language: texts(language)[told]["remedy"] for language in LANGUAGES},
    )


ROUTES = (
    Route(
        "GET",
        "/v1/attention",
        get_attention,
        "What waits for the manager",
        MANAGER,
        AttentionPage,
        query=AttentionQuery,
        problems=(403, 422),
    ),
    Route(
        "GET",
        "/v1/attention/{id}",
        get_line,
        "One line of the manager's list, with its notes",
        MANAGER,
        LineView,
        problems=(404,),
    ),
    Route(
        "POST",
        "/v1/attention/{id}/notes",
        post_note,
        "Note something of a line, or close it",
        MANAGER,
        LineView,
        body=NoteRequest,
        status=201,
        statuses=(200,),
        problems=(404, 409, 422, 503),
    ),
)
