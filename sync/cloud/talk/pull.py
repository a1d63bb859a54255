"""A store that the cloud asks, because only HTTP towards the shop passes: one round every so often.

    hello      POST /sync/v1/hello {rep, vector, sealed}  -> the hub's {rep, vector, former}, or 409: it has begun a new life
    up         GET  /sync/v1/streams                   -> {rep, streams: [{rep, stream, feed, last, acked}]}
               GET  /sync/v1/feed?stream=&rep=&after=  -> NDJSON (sync.feed), applied and committed, then
               POST /sync/v1/ack {rep, stream, last, digest}
               GET  /sync/v1/snapshot?stream=&rep=&n=  -> frames: what rows came to that are below the hub's floor
    down       POST /sync/v1/batch, a frame            -> {last, digest}, with gap: true where rows before it are missing

A store that is revoked is asked no more, from the next word of a round on: `hub_token` ends with its tokens, for good.
Every fault has a stable reason and a remedy; it is logged once when the store goes and once when it is back. A round that fails
leaves what was committed; the next one asks again from there. Not here: how rows are kept (sync.cloud.store).
"""

import asyncio
import logging
import random
from collections.abc import Mapping

import aiohttp

from sync.batch import START, Boundary, Gap, Head
from sync.cloud.collect.tokens import is_ended
from sync.cloud.config import PullFrom
from sync.cloud.store import CloudBooks, CloudStore
from sync.cloud.talk.hub_http import (
    ANSWER_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    REMEDIES,
    ROWS_ASKED,
    HelloAnswer,
    HelloBody,
    HubHttp,
    Offered,
    PullFaultError,
    StreamMark,
    StreamsBody,
)
from sync.cloud.talk.line import Connection, Line
from sync.errors import ForkError, ProtocolError, SyncError
from sync.model import Feed
from sync.opening import Gathered, parts_of
from sync.protocol import OPENING, FormerLife, encode, packed, part_of, snapshot

ROUND_TIMEOUT_S = 600.0  # a store that has been away for a week; the next round goes on where this one ended
BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 300.0
SHUT_OUT = "shut_out"
GAPS_MAX = 3  # of one stream in one round: it will not get better

log = logging.getLogger(__name__)


class Puller:
    """Asks one store, until it is cancelled or the store is shut out."""

    def __init__(self, source: PullFrom, cloud: CloudStore, line: Line, *, rng: random.Random) -> None:
        self.store = source.store
        self.reason = ""
        self.rounds = 0
        self._source = source
        self._books = CloudBooks(cloud, source.store)
        self._line = line
        self._rng = rng
        self._now_ms = cloud.now_ms
        self._wake = asyncio.Event()
        self._limit: asyncio.Timeout | None = None
        self._read = cloud.db.read
        self._connection = Connection(source.store, self._cut, self._wake.set, self._now_ms(), token=source.key)

    async def run(self) -> None:
        """Ask, wait, ask again; return once the store is shut out: its token is never good again."""
        failures = 0
        while self.reason != SHUT_OUT:
            await self._line.until_up()
            self._wake.clear()
            try:
                await self.round()
            except SyncError as err:
                failures += 1
                self._failed(err)
            except Exception as err:  # the edge to a hub: one shop's nonsense must not take the others' cloud away
                failures += 1
                log.exception("a pull failed", extra={"store": self.store})
                self._failed(ProtocolError(f"{type(err).__name__}; the log has the traceback"))
            else:
                failures = 0
                self._went_well()
            self.rounds += 1
            await self._pause(failures)

    async def round(self) -> None:
        """Ask once for everything; raise PullFaultError, or what the books raise."""
        self._check_let_in()
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self._source.hub_token}"}
        async with aiohttp.ClientSession(timeout=timeout, headers=headers, auto_decompress=False) as http:
            try:
                async with asyncio.timeout(ROUND_TIMEOUT_S) as self._limit:
                    with self._line.asking(self._connection):
                        await self._talk(HubHttp(http, self._source.url))
            except TimeoutError as err:
                self._check_let_in()
                code = "timeout" if self._line.is_up else "line_down"
                raise PullFaultError(code, f"the round was ended after {ROUND_TIMEOUT_S:g} s or cut") from err
            finally:
                self._limit = None

    def _check_let_in(self) -> None:
        if is_ended(self._read, self._source.key):
            raise PullFaultError(SHUT_OUT, f"hub_token of {self.store} was revoked; nothing more is asked of it")

    async def _talk(self, hub: HubHttp) -> None:
        books = self._books
        vector = [
            StreamMark(rep=rep, stream=stream, last=at.last, digest=at.digest.hex())
            for (rep, stream), at in books.vector("").items()
        ]
        began_ms = self._now_ms()
        sealed = books.sealed(self.store)
        greeted = await hub.post("/sync/v1/hello", HelloBody(books.rep, tuple(vector), sealed, began_ms), HelloAnswer)
        if greeted.rep.rpartition(":")[0] != self.store:
            raise PullFaultError("protocol", f"{greeted.rep[:80]!r} answers, not {self.store}")
        if greeted.rep in sealed:
            raise PullFaultError("fork", f"{greeted.rep} was sealed: nothing more is taken of it")
        books.meet(greeted.rep)
        self._greeted(greeted, began_ms)
        held = {(each.rep, each.stream): each.boundary for each in greeted.vector}
        await self._compare(held)
        if greeted.former:
            await books.end_lives(greeted.rep, tuple(FormerLife(life.rep, life.heads) for life in greeted.former))
        offered = await hub.get_json("/sync/v1/streams", StreamsBody)
        for head in offered.streams:
            if head.rep != books.rep:
                await self._pull(hub, head, is_own=head.rep == greeted.rep)
        for ours in books.heads():
            at = held.get((ours.rep, ours.stream), START)
            if ours.rep != greeted.rep:
                if ours.rep != books.rep and OPENING in greeted.features:
                    at = await self._push_sum(hub, ours, at)
                await self._push(hub, greeted.rep, ours, at)

    async def _compare(self, held: Mapping[tuple[str, str], Boundary]) -> None:
        """Begin a new life when the hub holds what this one never offered: this cloud was restored from a copy."""
        books = self._books
        for own in books.heads():
            at = held.get((own.rep, own.stream), START)
            if own.rep == books.rep and not books.is_offered(own.rep, own.stream, at):
                why = f"{own.stream}: the hub holds {at.last}, which was never offered"
                await books.forked(why)
                raise PullFaultError("fork", why)

    async def _pull(self, hub: HubHttp, head: Offered, *, is_own: bool) -> None:
        at = self._books.vector(head.rep).get((head.rep, head.stream), START)
        acked = head.acked
        if at.last < head.floor:
            at = await self._jump(hub, head)
        while at.last < head.last:
            ahead = (
                head.last - at.last if head.feed is Feed.LOG else ROWS_ASKED
            )  # what is younger may come before its cause
            batch = await hub.get_feed(head.stream, at, rep="" if is_own else head.rep, rows_max=min(ahead, ROWS_ASKED))
            if batch is None:
                break
            if (batch.rep, batch.stream, batch.feed) != (head.rep, head.stream, head.feed):
                raise ProtocolError(
                    f"asked for {head.stream} of {head.rep}, got {batch.stream[:64]} of {batch.rep[:80]}"
                )
            cursor = await self._books.apply(batch)
            if isinstance(cursor, Gap) or cursor.last <= at.last:
                raise PullFaultError("gap", f"{head.stream}: rows after {at.last} do not come")
            at = cursor
            if is_own:
                acked = await self._ack(hub, head, at)
        if is_own and acked < at.last:
            await self._ack(hub, head, at)

    async def _jump(self, hub: HubHttp, head: Offered) -> Boundary:
        """Go on behind rows that are no more at the hub, with what they came to if it can tell."""
        gathered, opening, n = Gathered(), None, 0
        while True:
            frame = await hub.get_snapshot(head.stream, rep=head.rep, n=n)
            n += 1
            if not frame.opens or (opening := gathered.take(part_of(frame))) is not None:
                at = Boundary(frame.last, frame.digest)
                return await self._books.jump(head.rep, head.stream, at, opening)

    async def _ack(self, hub: HubHttp, head: Offered, at: Boundary) -> int:
        body = StreamMark(rep=head.rep, stream=head.stream, last=at.last, digest=at.digest.hex())
        await hub.request("POST", "/sync/v1/ack", json=body)
        return at.last

    async def _push_sum(self, hub: HubHttp, head: Head, at: Boundary) -> Boundary:
        """Tell the hub what older rows of another life came to; return where it stands then."""
        to = self._books.told_up_to(head, at)
        opening = await self._books.opening(head, to) if at.last < to else None
        if opening is None or opening.at.last <= at.last:
            return at
        for part in parts_of(head.rep, head.stream, opening):
            answered = await hub.post_frame("/sync/v1/batch", encode(snapshot(part)))
            at = answered.boundary
        return at

    async def _push(self, hub: HubHttp, peer_rep: str, head: Head, at: Boundary) -> None:
        gaps = 0
        while True:
            is_ours = head.rep == self._books.rep
            if not self._books.is_offered(head.rep, head.stream, at):
                if not is_ours:
                    return  # another past of somebody else: nothing to pass on
                raise PullFaultError("fork", f"{head.stream}: the hub holds {at.last}, which was never offered")
            if at.last and is_ours:
                await self._books.acked(peer_rep, head.rep, head.stream, at)
            found = await self._books.load(head, at, ROWS_ASKED)
            if not found:
                return
            answered = await hub.post_frame("/sync/v1/batch", encode(packed(found[0])))
            gaps += answered.gap
            if not answered.gap and answered.last <= at.last:
                raise PullFaultError("protocol", f"{head.stream}: the hub did not take the batch behind {at.last}")
            at = answered.boundary
            if gaps > GAPS_MAX:
                raise PullFaultError("gap", f"{head.stream}: the hub does not take what is behind {at.last}")

    async def _pause(self, failures: int) -> None:
        """Wait for the next round: the configured time, or a full-jitter back-off; a growing catalogue ends it early."""
        try:
            async with asyncio.timeout(self.wait_s(failures)):
                await self._wake.wait()
        except TimeoutError:
            pass

    def wait_s(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row."""
        if not failures:
            return self._source.every_s
        return self._rng.uniform(0, min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(failures, 16)))

    def _greeted(self, answer: HelloAnswer, began_ms: int) -> None:
        """Note who answers, and how far its clock is off ours, both ways of the wire taken for equal."""
        self._line.seen(self.store)
        self._connection.rep = answer.rep
        if answer.now_ms is not None:
            self._connection.clock_offset_ms = answer.now_ms - (began_ms + self._now_ms()) // 2

    def _cut(self) -> None:
        """End the round now; the connection goes with its session."""
        self._line.leave(self._connection)
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time())

    def _failed(self, err: SyncError) -> None:
        reason = reason_of(err)
        if reason != self.reason:
            extra = {"store": self.store, "reason": reason, "detail": err.detail, "remedy": REMEDIES[reason]}
            log.warning("a store cannot be pulled", extra=extra)
        self.reason = reason
        self._line.leave(self._connection)

    def _went_well(self) -> None:
        if self._connection not in self._line.connections:
            log.info("a store is pulled", extra={"store": self.store})
            self._connection.since_ms = self._now_ms()
            self._line.enter(self._connection)
        self._line.seen(self.store)
        self.reason = ""


def reason_of(err: SyncError) -> str:
    """Return the key of REMEDIES for what ended a round."""
    if isinstance(err, PullFaultError | ForkError):
        return err.code
    return "protocol" if isinstance(err, ProtocolError) else "cannot_write"
