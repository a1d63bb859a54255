"""Subscriptions of webhooks and how far each is. Functions of a write job, and of reads.

    active      told of every row behind its cursors, in order
    paused      by head office, until it says otherwise; the cursors wait
    disabled    it answered 410, or would not take DEAD_MAX messages one after the other; the cursors wait

A worker claims a subscription for a while before it tells anything (see `claim`). Not here: attempts (deliverer), HTTP.
"""

import json
from sqlite3 import Connection
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from sync.cloud.arrivals.cursors import STREAM_CHARS_MAX
from sync.cloud.handing.addresses import URL_CHARS_MAX
from sync.cloud.handing.streams import stream_views
from sync.errors import RuleError

SUBSCRIPTIONS_MAX = 50  # each has one request under way at most; one more is refused
STREAMS_MAX = 40
ATTEMPTS_DEFAULT: Final = 15  # with the pauses of the deliverer about five hours
FORMER_MS = 24 * 3_600_000  # how long a message bears the former secret's signature as well
CLAIM_MS = 60_000  # a worker that died is followed by another after this

Name = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*\Z")]
StreamName = Annotated[str, Meta(min_length=1, max_length=STREAM_CHARS_MAX)]
State = Literal["active", "paused", "disabled"]


class NewSubscription(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked for. No kinds: all. `begin`: with what comes from now on, or with all there is. No secret: one is made."""

    name: Name
    url: Annotated[str, Meta(min_length=1, max_length=URL_CHARS_MAX)]
    streams: Annotated[tuple[StreamName, ...], Meta(min_length=1, max_length=STREAMS_MAX)]
    kinds: Annotated[tuple[StreamName, ...], Meta(max_length=STREAMS_MAX)] = ()
    begin: Literal["now", "start"] = "now"
    attempts_max: Annotated[int, Meta(ge=1, le=50)] = ATTEMPTS_DEFAULT
    secret: Annotated[str, Meta(max_length=120)] = ""


class Subscription(Struct, frozen=True):
    """A subscription as it stands; `cursors` by stream."""

    name: str
    url: str
    streams: tuple[str, ...]
    kinds: tuple[str, ...]
    attempts_max: int
    secret: str
    former_secret: str
    former_until_ms: int
    state: State
    why: str
    attempts: int
    next_ms: int
    dead_in_a_row: int
    cursors: dict[str, int]

    def secrets(self, now_ms: int) -> list[str]:
        """Return the secrets that sign now, the newest first."""
        is_former_good = self.former_secret and now_ms < self.former_until_ms
        return [self.secret, self.former_secret] if is_former_good else [self.secret]


def create(tx: Connection, new: NewSubscription, *, secret: str) -> bool:
    """Make a subscription, once; say whether it is new. Raise RuleError for a known name with other content."""
    before = find(tx, new.name)
    if before is not None:
        same = (new.url, tuple(new.streams), tuple(new.kinds), new.attempts_max)
        if (before.url, before.streams, before.kinds, before.attempts_max) != same:
            raise RuleError("webhook_known", "/name", f"webhook {new.name} is known with other content")
        return False
    if len(names(tx)) >= SUBSCRIPTIONS_MAX:
        raise RuleError("webhooks_full", "/name", f"there are {SUBSCRIPTIONS_MAX} webhooks")
    heads = {each.stream: each.head for each in stream_views(tx)}
    if unknown := [stream for stream in new.streams if stream not in heads]:
        known = ", ".join(heads)
        raise RuleError("stream", "/streams", f"no stream {unknown[0]!r}; known: {known}")
    tx.execute(
        "INSERT INTO webhook (name, url, streams, kinds, attempts_max, secret) VALUES (?, ?, ?, ?, ?, ?)",
        (new.name, new.url, json.dumps(new.streams), json.dumps(new.kinds), new.attempts_max, secret),
    )
    begin = {stream: heads[stream] if new.begin == "now" else 0 for stream in new.streams}
    tx.executemany(
        "INSERT INTO webhook_cursor (webhook, stream, n) VALUES (?, ?, ?)",
        [(new.name, stream, n) for stream, n in begin.items()],
    )
    return True


def names(read: Connection) -> list[str]:
    """Return the names of all subscriptions."""
    return [name for (name,) in read.execute("SELECT name FROM webhook ORDER BY name").fetchall()]


def find(read: Connection, name: str) -> Subscription | None:
    """Return a subscription."""
    row = read.execute(
        """
        SELECT url, streams, kinds, attempts_max, secret, former_secret, former_until_ms,
          state, why, attempts, next_ms, dead_in_a_row
        FROM webhook WHERE name = ?
        """,
        (name,),
    ).fetchone()
    if row is None:
        return None
    url, streams, kinds, *others = row
    cursors = read.execute("SELECT stream, n FROM webhook_cursor WHERE webhook = ? ORDER BY stream", (name,)).fetchall()
    lists = [tuple(json.loads(each)) for each in (streams, kinds)]
    return Subscription(*(name, url, *lists, *others, dict(cursors)))


def remove(tx: Connection, name: str) -> bool:
    """Forget a subscription, its cursors and dead letters; say whether there was one."""
    return tx.execute("DELETE FROM webhook WHERE name = ?", (name,)).rowcount > 0


def switch(tx: Connection, name: str, state: State, why: str = "") -> bool:
    """Let it rest, or go on where it stood, at once; say whether there is one."""
    done = tx.execute(
        "UPDATE webhook SET state = ?, why = ?, attempts = 0, next_ms = 0, dead_in_a_row = 0 WHERE name = ?",
        (state, why, name),
    )
    return done.rowcount > 0


def move(tx: Connection, name: str, url: str) -> bool:
    """Tell another address from now on, from where it stood, at once; say whether there is one."""
    done = tx.execute("UPDATE webhook SET url = ?, attempts = 0, next_ms = 0 WHERE name = ?", (url, name))
    return done.rowcount > 0


def rotate(tx: Connection, name: str, secret: str, *, now_ms: int) -> bool:
    """Sign with another secret, for a while with the former one as well; say whether there is one."""
    done = tx.execute(
        "UPDATE webhook SET former_secret = secret, former_until_ms = ?, secret = ? WHERE name = ?",
        (now_ms + FORMER_MS, secret, name),
    )
    return done.rowcount > 0


def claim(tx: Connection, name: str, worker: str, *, now_ms: int) -> bool:
    """Serve a subscription for CLAIM_MS; false while another worker does."""
    done = tx.execute(
        """
        UPDATE webhook SET worker = ?, worker_until_ms = ?
        WHERE name = ? AND state = 'active' AND (worker = ? OR worker_until_ms <= ?)
        """,
        (worker, now_ms + CLAIM_MS, name, worker, now_ms),
    )
    return done.rowcount > 0


def let_go(tx: Connection, worker: str) -> None:
    """At the end of a worker others may serve at once."""
    tx.execute("UPDATE webhook SET worker = '', worker_until_ms = 0 WHERE worker = ?", (worker,))
