"""The manager's list: what waits for a person, read from the tables that have it; a person's notes on it.

    kind        what                                                          closed by
    suspended   a sale whose id is known with other content                   itself: booked or discarded
                (hub.store.selling.suspended)
    left_basket a basket that nobody took up                                  itself: hub.store.selling.baskets
    second      a row whose key another writer's row has, with other content  a person
    lost_field  a value of a member that another writer overruled             a person
    document    a document of stock on which something was noted              a person
    claim       goods taken back of a sale that is not in these books         a person
    beyond_sold another store took back more of our sale than was left        a person
    transfer    goods that we sent, and something else has come               a person
    hole        rows of another machine that nobody has any more              a person
    dispute     a coupon that was used already: the shop bears it             a person, or the cloud's word
    coupon      a coupon that was taken though it would have been refused     a person, or its sale came back
    order       an order of two owners, or handed over and called off    a person
    points      a member whose points were burned twice without a line        itself: earned or corrected
                (hub.store.people.points)
    unread      a row that this version cannot read                           itself: an upgrade reads it
    overdrawn   sold beyond the shop's rights (worked out in hub.rights)      itself: the cloud settles it
    at_risk     a promise that may have to give way (hub.rights)              itself: the settlement's word stands
    replacement a device that looks like the one of a missing one (hub.attachments)  itself: taken over, or pulled out
    backup      a target of backups that has none of last night             itself: the next one
    medium      the feed copy, which cannot be written (hub.medium)          itself: it can again
    locked      a cashier after too many wrong PINs                           itself: hub.store.staff.sign_ins.unlock

A note never changes what it is about. Source: the design, 3.3.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from sqlite3 import Connection
from typing import Any, NamedTuple

from msgspec import Struct

from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.store.model import utc
from hub.store.staff import audit_trail
from hub.store.staff.guesses import CASHIER
from hub.store.stock.transfers import differing_sent
from sync.entities import REGISTRY
from sync.kinds import Kind

CLOSED_BY_A_PERSON = frozenset(
    {"second", "lost_field", "document", "transfer", "hole", "claim", "beyond_sold", "dispute", "coupon", "order"}
)
ALL = -1  # SQLite's word for no limit
SENT_WITHIN_MS = 90 * 86_400_000  # what went out longer ago than the movements are kept is nobody's to look for
_REP = "store || ':' || incarnation"
_SAYS_THE_SAME = " OR ".join(  # a restored cloud tells a fact again as its own: byte for byte it is nobody's to look at
    f"(entity = '{each.name}' AND EXISTS (SELECT 1 FROM {each.table} AS stands "
    f"WHERE stands.{each.key[0].name} = second_row.key AND stands.body = CAST(second_row.body AS TEXT)))"
    for each in REGISTRY.entities
    if each.kind is Kind.FACT and len(each.key) == 1
)
_KINDS = {  # kind -> SQL for (name, parts, since_ms, owner)
    "suspended": """
        SELECT sale_id || ' ' || lower(hex(content_hash)) AS name, json_object('till', till_id) AS parts, received_ms AS since_ms,
          till_id AS owner
        FROM suspended_sale LEFT JOIN suspended_end USING (sale_id, content_hash) WHERE ended_by IS NULL
    """,
    "second": f"""
        SELECT entity || ' ' || key || ' ' || {_REP} || '/' || seq AS name, '{{}}' AS parts,
          iif(json_valid(CAST(body AS TEXT)), unixepoch(CAST(body AS TEXT) ->> '$.committed_at') * 1000, NULL) AS since_ms,
          {_REP} AS owner
        FROM second_row JOIN replica ON replica.id = second_row.replica WHERE NOT ({_SAYS_THE_SAME})
    """,
    "lost_field": """
        SELECT entity || ' ' || key || ' ' || field || ' ' || rep AS name, '{}' AS parts,
          physical_ms AS since_ms, rep AS owner
        FROM conflict
    """,
    "document": """
        SELECT movement_id AS name, json_object('flags', json((
            SELECT json_group_array(json_object('code', flag.value ->> '$.code', 'of', coalesce(flag.value ->> '$.sku', '')))
            FROM json_each(flags) AS flag
          ))) AS parts, unixepoch(body ->> '$.committed_at') * 1000 AS since_ms, coalesce(body ->> '$.movement.by', '') AS owner
        FROM stock_movement WHERE flags <> '[]'
    """,
    "claim": """
        SELECT return_id AS name,
          iif(body ->> '$.return.claim.store' IS NULL,
            json_object('code', 'claim_without_receipt', 'amount', body ->> '$.refund', 'currency', body ->> '$.currency'),
            json_object('store', body ->> '$.return.claim.store', 'sale', sale_id, 'amount', body ->> '$.refund',
              'currency', body ->> '$.currency')
          ) AS parts,
          unixepoch(body ->> '$.committed_at') * 1000 AS since_ms,
          'till ' || (body ->> '$.return.till_id') AS owner
        FROM sale_return WHERE body ->> '$.return.claim' IS NOT NULL
    """,
    "beyond_sold": """
        SELECT elsewhere_id AS name, json_object('sale', sale, 'store', body ->> '$.taker', 'lines', (
            SELECT group_concat(line.value ->> 0, ', ') FROM json_each(taken.body, '$.lines') AS line
          )) AS parts, unixepoch(body ->> '$.taken_at') * 1000 AS since_ms,
          body ->> '$.taker' AS owner
        FROM returned_elsewhere AS taken
        WHERE NOT EXISTS (SELECT 1 FROM sale_return WHERE return_id = taken.body ->> '$.return_id')
          AND EXISTS (
            SELECT 1 FROM json_each(taken.body, '$.lines') AS line WHERE
              coalesce((
                SELECT sum(other.value ->> 1) FROM returned_elsewhere AS more, json_each(more.body, '$.lines') AS other
                WHERE other.value ->> 0 = line.value ->> 0 AND more.sale IN (
                  SELECT taken.sale UNION SELECT sale_id FROM sale WHERE receipt_no = taken.sale
                  UNION SELECT receipt_no FROM sale WHERE sale_id = taken.sale
                )
              ), 0) + coalesce((
                SELECT sum(here.value ->> 'qty') FROM sale_return, json_each(sale_return.body, '$.lines') AS here
                WHERE here.value ->> 'line' = line.value ->> 0 AND sale_return.sale_id IN (
                  SELECT taken.sale UNION SELECT sale_id FROM sale WHERE receipt_no = taken.sale
                )
              ), 0) > coalesce((
                SELECT sold.value ->> 'qty' FROM sale, json_each(sale.body, '$.sale.lines') AS sold
                WHERE sold.value ->> 'line' = line.value ->> 0 AND (sale.sale_id = taken.sale OR sale.receipt_no = taken.sale)
              ), 0)
          )
    """,
    "order": """
        SELECT order_id AS name,
          json_object('steps', json_group_array(json_object('code', state, 'of', body ->> '$.step.rep'))) AS parts,
          max(unixepoch(body ->> '$.step.at')) * 1000 AS since_ms, '' AS owner
        FROM order_step AS step
        WHERE state IN ('collected', 'shipped', 'cancelled', 'expired') OR EXISTS (
          SELECT 1 FROM order_step AS other WHERE other.order_id = step.order_id AND other.step_id <> step.step_id
            AND other.body ->> '$.step.n' = step.body ->> '$.step.n'
        )
        GROUP BY order_id HAVING count(*) > 1
    """,
    "unread": f"""
        SELECT {_REP} || '/' || stream || '/' || printf('%016d', seq) AS name, '{{}}' AS parts,
          NULL AS since_ms, {_REP} AS owner
        FROM unknown_row JOIN replica ON replica.id = unknown_row.replica
    """,
    "hole": f"""
        SELECT {_REP} || '/' || stream || '/' || printf('%016d', last) AS name,
          json_object('first', after + 1, 'last', last) AS parts, noted_ms AS since_ms, {_REP} AS owner
        FROM hole JOIN replica ON replica.id = hole.replica
    """,
    "locked": f"""
        SELECT substr(who, 9) AS name, json_object('wrong', wrong) AS parts, at_ms AS since_ms, '' AS owner
        FROM pin_guess WHERE who LIKE 'cashier:%' AND wrong >= {CASHIER.locked_at}
    """,
    "dispute": """
        SELECT dispute.redemption_id AS name, json_object('serial', dispute.serial,
            'amount', dispute.body ->> 'amount', 'currency', dispute.body ->> 'currency') AS parts, NULL AS since_ms, '' AS owner,
            dispute.body ->> 'amount' AS amount, dispute.body ->> 'currency' AS currency,
            coalesce(dispute_end.why, '') AS ended
        FROM coupon_dispute AS dispute LEFT JOIN dispute_end ON dispute_end.redemption_id = dispute.redemption_id AND gone = 0
    """,
    "coupon": """
        SELECT redemption_id AS name, json_object('serial', redemption.serial, 'amount', redemption.body ->> 'amount',
            'currency', redemption.body ->> 'currency', 'against', json((
              SELECT json_group_array(json_object('code', word.value)) FROM json_each(against) AS word
            ))) AS parts, NULL AS since_ms, '' AS owner,
            redemption.body ->> 'amount' AS amount, redemption.body ->> 'currency' AS currency,
            iif(EXISTS (
              SELECT 1 FROM coupon_release JOIN json_each(coupon_release.body, '$.seen') AS dot JOIN replica
              ON replica.id = redemption.replica AND dot.value ->> 'rep' = store || ':' || incarnation
              WHERE coupon_release.serial = redemption.serial AND dot.value ->> 'seq' = redemption.seq
            ), 'undone', '') AS ended
        FROM redemption WHERE against < '[]'
    """,
}
_WITH_COST = frozenset({"dispute", "coupon"})
"""Kinds that say what is at stake, and may be over by themselves as well."""


Part = str | int | list[dict[str, str]]
"""A name, a figure, or codes that have words of their own, each with what it is of: `[{"code": …, "of": …}]`."""


class Waiting(Struct, frozen=True):
    """A line of the list; `since_ms` is None where nobody knows, `owner` is whose it is.

    `parts` are what is particular to it, by name: hub/texts/attention.*.toml has the words around them. `code` names the words.
    `amount` is what it costs, of `currency` (minor units, or points); `ended` is why it is over, "" while it waits.
    """

    kind: str
    key: str
    parts: dict[str, Part] = {}
    since_ms: int | None = None
    owner: str = ""
    amount: int | None = None
    currency: str = ""
    ended: str = ""
    code: str = ""

    @property
    def id(self) -> str:
        """What it is called by."""
        return f"{self.kind}:{self.key}"


class Source(NamedTuple):
    """How a kind is read: `page` from behind a key, at most so many; `one` by its key."""

    page: Callable[[str, int], list[Waiting]]
    one: Callable[[str], Waiting | None]


class Note(Struct, frozen=True):
    """What a person has noted of a line."""

    note_id: str
    text: str
    closes: bool
    by: str
    noted_at: datetime


def sources(read: Connection, *, store: str, now_ms: int) -> dict[str, Source]:
    """Return how to read each kind that is kept in tables."""
    since = utc(max(0, now_ms - SENT_WITHIN_MS))

    def transfers(after: str, limit: int) -> list[Waiting]:
        found = differing_sent(read, after, limit, store=store, since=since)
        return [
            Waiting("transfer", name, {"store": receiver}, _ms(datetime.fromisoformat(at)), receiver)
            for name, at, receiver in found
        ]

    def transfer(key: str) -> Waiting | None:
        found = [line for line in transfers("", ALL) if line.key == key]
        return found[0] if found else None

    return {kind: _source(read, kind, sql) for kind, sql in _KINDS.items()} | {"transfer": Source(transfers, transfer)}


def listed(lines: Iterable[Waiting]) -> Source:
    """Return how to read a kind of which all lines are at hand."""
    known = {line.key: line for line in sorted(lines, key=lambda line: line.key)}
    return Source(lambda after, limit: [line for key, line in known.items() if key > after][:limit], known.get)


def page(
    read: Connection, kinds: Mapping[str, Source], *, after: str, limit: int, with_closed: bool = False
) -> list[Waiting]:
    """Return the next lines behind the one of this id, kinds in their order; those that are over or closed are left out."""
    begun, _, key = after.partition(":")
    found: list[Waiting] = []
    for kind in _from(list(kinds), begun):
        at = key if kind == begun else ""
        while len(found) < limit:
            rows = kinds[kind].page(at, limit)
            closed = set() if with_closed else _closed(read, rows)
            found += [row for row in rows if row.id not in closed and (with_closed or not row.ended)][
                : limit - len(found)
            ]
            if len(rows) < limit:
                break
            at = rows[-1].key
    return found


def find_line(kinds: Mapping[str, Source], name: str) -> Waiting:
    """Return a line by its id, closed or not; raise NotFoundError."""
    kind, _, key = name.partition(":")
    line = kinds[kind].one(key) if kind in kinds else None
    if line is None:
        raise NotFoundError("attention", f"nothing of the name {name!r} waits")
    return line


def take_note(tx: Connection, line: Waiting, note: Note, *, actor: str, now_ms: int) -> bool:
    """Write a note once; say whether it is new. Raise ConflictError for a known id with other content, RefusedError to close what
    closes itself.
    """
    known = tx.execute(
        "SELECT entry, text, closes, by FROM attention_note WHERE note_id = ?", (note.note_id,)
    ).fetchone()
    said = (line.id, note.text, note.closes, note.by)
    if known is not None:
        if known != said:
            raise ConflictError("other_content", f"note {note.note_id} is known with other content", pointer="/note_id")
        return False
    if note.closes and line.kind not in CLOSED_BY_A_PERSON:
        raise RefusedError("closes_itself", f"{line.kind} leaves the list by itself", pointer="/close")
    tx.execute(
        "INSERT INTO attention_note (note_id, entry, text, closes, by, noted_ms) VALUES (?, ?, ?, ?, ?, ?)",
        (note.note_id, *said, now_ms),
    )
    if note.closes:
        audit_trail.note(tx, actor=actor, action="attention_closed", subject=line.id, reason=note.text, now_ms=now_ms)
    return True


def notes_of(read: Connection, name: str) -> list[Note]:
    """Return what was noted of a line, oldest first."""
    rows = read.execute(
        "SELECT note_id, text, closes, by, noted_ms FROM attention_note WHERE entry = ? ORDER BY noted_ms, note_id",
        (name,),
    ).fetchall()
    return [Note(note_id, text, bool(closes), by, utc(noted_ms)) for note_id, text, closes, by, noted_ms in rows]


def _closed(read: Connection, rows: Iterable[Waiting]) -> set[str]:
    found = read.execute(
        "SELECT DISTINCT entry FROM attention_note WHERE closes = 1 AND entry IN (SELECT value FROM json_each(?))",
        (json.dumps([row.id for row in rows]),),
    )
    return {name for (name,) in found}


def _from(kinds: list[str], begun: str) -> Iterator[str]:
    yield from kinds[kinds.index(begun) :] if begun in kinds else kinds


def _source(read: Connection, kind: str, sql: str) -> Source:
    columns = "name, parts, since_ms, owner" + (", amount, currency, ended" if kind in _WITH_COST else "")

    def lines(where: str, *values: str | int) -> list[Waiting]:
        rows = read.execute(f"SELECT {columns} FROM ({sql}) WHERE {where}", values).fetchall()
        return [_waiting(kind, row) for row in rows]

    def one(key: str) -> Waiting | None:
        found = lines("name = ?", key)
        return found[0] if found else None

    return Source(lambda after, limit: lines("name > ? ORDER BY name LIMIT ?", after, limit), one)


def _waiting(kind: str, row: tuple[Any, ...]) -> Waiting:
    """Any: of the columns of _KINDS."""
    key, said, since_ms, owner, *cost = row
    parts: dict[str, Part] = json.loads(said)
    code = str(parts.pop("code", kind))
    amount, currency, ended = cost or (None, "", "")
    return Waiting(kind, key, parts, since_ms, owner, amount, currency, ended, code)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
