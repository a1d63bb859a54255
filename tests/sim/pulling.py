"""A store that the cloud asks: the product's own rounds and routes, with requests and answers that travel on virtual time.

    request   cloud -> hub   lost while the way down is cut, refused while the hub is down
    answer    hub -> cloud   lost while the way up is cut, when the hub dies over it, or on a hostile line

Not here: what is asked (sync.cloud.talk.pull), what is answered (hub.api.replica.sync).
"""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from hub.api.problems import problem_of
from hub.api.replica import sync as routes
from hub.api.routing import Call
from hub.runtime import Runtime
from hub.store.staff.tills import Paired
from sync.cloud.config import PullFrom
from sync.cloud.talk.hub_http import ANSWER_TIMEOUT_S, HubHttp, PullFaultError, _check_status
from sync.cloud.talk.pull import Puller
from sync.errors import ProtocolError, SyncError
from sync.protocol import Ack
from sync.testing.sim_database import Answer
from tests.sim.network import HOSTILE_PCT, Way

if TYPE_CHECKING:
    from tests.sim.cloud_node import CloudNode
    from tests.sim.hub_node import HubNode

EVERY_S = (2.0, 15.0)
CLIENT = Paired("cloud", "cloud", "cloud")
Said = tuple[int, bytes]


class _Asked(NamedTuple):
    method: str
    path: str
    body: bytes
    query: dict[str, str] | None


class Asker:
    """Asks the hub that has an address, again and again, until the cloud's life ends."""

    def __init__(self, cloud: "CloudNode", hub: "HubNode") -> None:
        assert cloud.cloud is not None
        rng = cloud.world.rng
        source = PullFrom(hub.store, "", rng.uniform(*EVERY_S), "")
        self._cloud, self.hub = cloud, hub
        self._puller = Puller(source, cloud.cloud.books, cloud.cloud.line, rng=rng)
        self._failures = 0
        self._again(rng.uniform(*EVERY_S))

    def _again(self, wait_s: float) -> None:
        self._cloud.after(wait_s * 1000, self._ask)

    def _ask(self) -> None:
        asked = self._puller._talk(SimHub(self._cloud, self.hub))
        self._cloud.spawn(asked, done=self._went_well, failed=self._failed)

    def _went_well(self, _: None) -> None:
        self._puller._went_well()
        self._failures = 0
        self._cloud.world.meet("asked by the cloud")
        self._again(self._puller.wait_s(0))

    def _failed(self, err: SyncError) -> None:
        self._puller._failed(err)
        self._failures += 1
        self._cloud.world.note("cloud", f"cannot pull {self.hub.name}: {err.code} {err.detail}")
        self._again(self._puller.wait_s(self._failures))


class SimHub(HubHttp):
    """A hub's HTTP side over the simulated line."""

    def __init__(self, cloud: "CloudNode", hub: "HubNode") -> None:
        self._cloud, self._hub = cloud, hub
        self._world = cloud.world

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        frame: bytes | None = None,
        query: dict[str, str] | None = None,
        wanted: str = "",
    ) -> bytes:
        """See sync.cloud.talk.hub_http.HubHttp.request. Any: a Struct."""
        body = msgspec.json.encode(json) if json is not None else frame or b""
        if path.endswith("/ack"):
            self._world.tell("ack", self._cloud, Ack(json.rep, json.stream, json.last, bytes.fromhex(json.digest)))
        asked = _Asked(method, path, body, query)
        exchange = _Exchange(self._cloud, self._hub)
        exchange.begin(lambda runtime: _answer(self._hub, runtime, asked))
        status, answered = await exchange.answer
        _check_status(path, status)
        return answered


class _Exchange:
    """One request and its answer; it comes to an end, whatever is lost."""

    def __init__(self, cloud: "CloudNode", hub: "HubNode") -> None:
        self.answer: Answer[Said] = Answer()
        self._cloud, self._hub = cloud, hub
        self._world = cloud.world
        self._is_over = False

    def begin(self, ask: Callable[[Runtime], Coroutine[Any, Any, Said]]) -> None:
        """Send the request."""
        self._cloud.after(ANSWER_TIMEOUT_S * 1000, lambda: self._fail("timeout"))
        if self._passes("down"):
            life = self._cloud.life
            self._later(lambda: self._arrive(ask) if self._cloud.life == life else None)

    def _arrive(self, ask: Callable[[Runtime], Coroutine[Any, Any, Said]]) -> None:
        hub = self._hub
        if hub.hub is None:
            self._cloud.after(self._delay_ms(), lambda: self._fail("unreachable"))
            return
        runtime, back = hub.hub, self._send_back
        hub.run(
            lambda: hub.spawn(
                ask(runtime), done=back, failed=lambda err: back((problem_of(err).status, err.code.encode()))
            )
        )

    def _send_back(self, said: Said) -> None:
        if not self._passes("up"):
            return
        if self._world.network.is_hostile and self._world.rng.randrange(100) < HOSTILE_PCT:
            self._world.meet("hostile drop")
            self._cloud.after(self._delay_ms(), lambda: self._fail("cut"))
            return
        self._cloud.after(self._delay_ms(), lambda: self._settle(said))

    def _passes(self, way: Way) -> bool:
        network = self._world.network
        if network.is_cut(self._hub.name, way):
            network.feel(self._hub.name, way)
            return False
        return True

    def _later(self, action: Callable[[], None]) -> None:
        self._world.after(self._delay_ms(), action)

    def _delay_ms(self) -> int:
        return self._world.rng.randint(1, 1 + self._world.network.way_ms_max)

    def _settle(self, said: Said) -> None:
        if not self._is_over:
            self._is_over = True
            self.answer.set_result(said)
            self.answer.resume()

    def _fail(self, code: str) -> None:
        if not self._is_over:
            self._is_over = True
            self.answer.set_exception(PullFaultError(code, "simulated"))
            self.answer.resume()


async def _answer(hub: "HubNode", runtime: Runtime, asked: _Asked) -> Said:
    """Let a request reach the hub's route."""
    if asked.path.endswith("/feed"):
        return 200, await routes.feed_of(runtime, msgspec.convert(asked.query, routes.FeedQuery, strict=False))
    if asked.path.endswith("/batch"):
        try:
            held = await routes.take_frame(runtime, asked.body)
        except ProtocolError as err:
            return 400, err.code.encode()
        # Judged when it is said: while the answer travels the hub may get an older file.
        hub.world.tell("ack", hub, Ack(held.rep, held.stream, held.last, bytes.fromhex(held.digest)))
        return 200, msgspec.json.encode(held)
    if asked.path.endswith("/hello"):
        hub.log["opened line"] += 1  # it is told the time
    route = next(each for each in routes.ROUTES if (each.method, each.path) == (asked.method, asked.path))
    read = msgspec.json.decode(asked.body, type=route.body) if route.body else None
    reply = await route.handle(Call(runtime, CLIENT, {}, read))
    return reply.status, reply.body if isinstance(reply.body, bytes) else msgspec.json.encode(reply.body)
