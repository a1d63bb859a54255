"""Frames in HTTP bodies: the product's own two ends of such a wire (sync.line.push), with requests that travel on virtual time.

    request   hub -> cloud   lost while the way up is cut, refused while the cloud is down or does not know the wire any more
    answer    cloud -> hub   lost while the way down is cut; now and then on any line, so that the request comes again

Not here: what is said (sync.session), who may talk (sync.cloud.talk.exchange).
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from sync.actions import End
from sync.batch import Batch
from sync.errors import ProtocolError, SyncError
from sync.line.link import INBOX_MAX, POST_TIMEOUT_S, TICK_S
from sync.line.push import Envelope, HeldWire, PushWire, read_body
from sync.line.wire import WireError
from sync.protocol import Frame, Packed, decode, unpacked
from tests.sim.network import Sent, Way
from tests.sim.sim_loop import SimLoop

if TYPE_CHECKING:
    from tests.sim.cloud_node import CloudNode
    from tests.sim.hub_node import HubNode
    from tests.sim.talk import Talk


class PushedWire:
    """A wire of exchanges, both ends of it; `acceptor` talks as soon as the first exchange has come."""

    is_http = True

    def __init__(self, hub: "HubNode", cloud: "CloudNode") -> None:
        self.shop = hub.name
        self.network = hub.world.network
        self.dialler: Talk | None = None
        self.acceptor: Talk | None = None
        self._world = hub.world
        self._hub, self._cloud = hub, cloud
        self._loop = hub.loop
        self._session = self._world.rng.randbytes(16).hex()
        self._push = PushWire(self._post, self._session, rng=self._world.rng)
        self._held: tuple[HeldWire, SimLoop] | None = None
        self._reader: asyncio.Task[str] | None = None

    def begin(self) -> None:
        """Ask for the first time."""
        self._reader = self._loop.create_task(self._push.read(self._take_down))
        self._reader.add_done_callback(lambda task: self._read(task, self.dialler))

    def send(self, way: Way, frame: Frame | Batch, encoded: Callable[[Frame | Batch], Sent]) -> None:
        """Put a frame into the next exchange, or its answer."""
        message = encoded(frame)
        assert isinstance(message, bytes)
        if way == "up":
            self._loop.create_task(self._push.send(message))
        elif self._held is not None and self._held[1].is_alive:
            self._held[1].create_task(self._send_down(self._held[0], message))

    def close(self, way: Way, *, is_told: bool = True) -> None:
        """As sync.line.link when a conversation is over; a machine that is down says nothing, and is missed."""
        del is_told
        if way == "down" and self._held is not None and self._held[1].is_alive:
            self._held[1].create_task(self._held[0].close())
        elif way == "up" and self._loop.is_alive:
            self._loop.create_task(self._hang_up())

    async def _send_down(self, held: HeldWire, message: bytes) -> None:
        with suppress(ConnectionError):
            await held.send(message)

    async def _hang_up(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(TICK_S):
                await self._push.flush()
        assert self._reader is not None
        self._reader.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(TICK_S):
                await self._push.close()

    def _read(self, task: "asyncio.Task[str]", end: "Talk | None") -> None:
        """A reader has ended."""
        if task.cancelled() or end is None or end.is_over:
            return
        err = task.exception()
        if isinstance(err, WireError):
            end.deliver(End(err.code, err.detail, is_ours=False))
        elif isinstance(err, SyncError):
            end.deliver(err)
        elif err is not None:
            raise err
        else:
            end.hung_up()

    async def _take_down(self, message: bytes) -> None:
        _deliver(self.dialler, message)

    async def _take_up(self, message: bytes) -> None:
        _deliver(self.acceptor, message)

    async def _post(self, body: bytes) -> bytes:
        """As sync.line.link's, over the simulated line."""
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._loop.call_later(POST_TIMEOUT_S, _fail, answer, "timeout")
        if self._passes("up", answer):
            self._world.after(self._delay_ms(), lambda: self._cloud.run(lambda: self._arrive(body, answer)))
        return await answer

    def _arrive(self, body: bytes, answer: "asyncio.Future[bytes]") -> None:
        envelope, frames = read_body(body)
        if self._cloud.cloud is None:
            self._later(lambda: _fail(answer, "unreachable"))
            return
        if self._held is None and envelope.n == 1:
            self._open()
        if self._held is None or not self._held[1].is_alive:
            self._later(lambda: _fail(answer, "hung_up"))
            return
        held, loop = self._held
        task = loop.create_task(held.exchange(envelope, frames))
        task.add_done_callback(lambda done: self._answer(envelope, done, answer))

    def _open(self) -> None:
        """As sync.cloud.talk.exchange: the first exchange begins a talk."""
        held, loop = HeldWire(self._session, inbox_max=INBOX_MAX), self._cloud.loop
        self._held = held, loop
        assert self._cloud.cloud is not None
        self._cloud.accept(self, self._hub.store)
        reader = loop.create_task(held.read(self._take_up))
        reader.add_done_callback(lambda task: self._read(task, self.acceptor))

    def _answer(self, envelope: Envelope, done: "asyncio.Task[bytes]", answer: "asyncio.Future[bytes]") -> None:
        if done.cancelled():
            return
        if isinstance(done.exception(), ProtocolError):
            self._later(lambda: _fail(answer, "not_a_cloud"))
        elif self._passes("down", answer):
            if envelope.n > 1:
                self._world.met["frames over HTTP"] += 1
            self._later(lambda: answer.done() or answer.set_result(done.result()))

    def _passes(self, way: Way, answer: "asyncio.Future[bytes]") -> bool:
        """Whether something gets through; what is lost to a passing fault is known soon, and comes again."""
        network, world = self.network, self._world
        if network.is_cut(self.shop, way):
            network.feel(self.shop, way)
            return False
        if not world.is_healing and world.rng.randrange(100) < world.options.lost_answer_pct:
            world.met["exchange lost"] += 1
            self._later(lambda: _fail(answer, "unreachable"))
            return False
        return True

    def _later(self, action: Callable[[], object]) -> None:
        """At the hub, after the way there."""

        def run() -> None:
            if self._loop.is_alive:
                self._hub.run(lambda: action() and None)

        self._world.after(self._delay_ms(), run)

    def _delay_ms(self) -> int:
        return self._world.rng.randint(1, 1 + self.network.way_ms_max)


def _fail(answer: "asyncio.Future[bytes]", code: str) -> None:
    if not answer.done():
        answer.set_exception(WireError(code, "simulated"))


def _deliver(end: "Talk | None", message: bytes) -> None:
    if end is None or end.is_over:
        return
    try:
        frame = decode(message)
        end.deliver(unpacked(frame) if isinstance(frame, Packed) else frame)
    except ProtocolError as err:
        end.deliver(err)
