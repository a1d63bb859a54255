"""How much one client may ask of the hub: turns by a token bucket, so many at once. Pure; the time (monotonic) is passed in.

    a turn in hand        the request begins at once
    none in hand          it waits for the next one: who asks one thing after the other is slowed down and never refused
    too many at once,     refused (429 with Retry-After)
    or too long a queue

A client is a paired one, by its id, else an address. The table is bounded: who is idle is forgotten, and when it is full those
who come new share one place. Not here: whom that stops and how (hub.api.guard, hub.api.door).
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from hub.settings.limits import LimitsSection

CLIENTS_MAX = 1024  # told apart; beyond it those who come new share one place
WAIT_MAX_S = 2.0  # a turn that is further off is refused
AT_ONCE_RETRY_S = 1.0  # what is told to who asks too much at once
SWEEP_EVERY_S = 1.0  # looking for who is idle costs a walk through the table
STRANGER_SHARE = 0.2  # of a client's pace, for an address that shows no token
CONNECTS_PER_S = 20.0  # of one address; a browser opens six, a till two
SAID_AGAIN_S = 60.0  # a client that goes on being refused is one line in the log each so long
GOLDEN = (5**0.5 - 1) / 2  # its multiples lie evenly between the whole numbers, however many there are
OTHERS = "*"


class Pace(NamedTuple):
    """Turns a second, how many may be saved up, how many may be under way; `wait_max_s` 0 lets nobody wait."""

    per_s: float
    burst: float
    at_once: int
    wait_max_s: float = WAIT_MAX_S


class Turn(NamedTuple):
    """What became of asking: begin in `wait_s`, or refused for `retry_after_s`; `is_counted` until it is given back.

    `share` (0 to 1) is far from that of the refusals before: those that wait for it have not all to be answered at one time.
    """

    who: str
    wait_s: float = 0.0
    retry_after_s: float = 0.0
    is_news: bool = False
    is_counted: bool = False
    share: float = 0.0


@dataclass(slots=True)
class _Client:
    in_hand: float
    at_s: float
    under_way: int = 0
    said_s: float = float("-inf")
    refused: int = 0


class Turns:
    """The turns of all clients of one kind."""

    def __init__(self, pace: Pace, *, clients_max: int = CLIENTS_MAX) -> None:
        self._pace = pace
        self._clients_max = clients_max
        self._clients: dict[str, _Client] = {}
        self._swept_s = float("-inf")

    def __len__(self) -> int:
        return len(self._clients)

    def begin(self, who: str, *, now_s: float, lasts: bool = True) -> Turn:
        """Take a turn. What `lasts` counts as under way until `end`; a refusal takes nothing."""
        who, client = self._client(who, now_s)
        pace = self._pace
        client.in_hand = min(pace.burst, client.in_hand + (now_s - client.at_s) * pace.per_s)
        client.at_s = now_s
        wait_s = max(0.0, 1 - client.in_hand) / pace.per_s
        if lasts and client.under_way >= pace.at_once:
            return _refused(who, client, now_s, AT_ONCE_RETRY_S)
        if wait_s > pace.wait_max_s:
            return _refused(who, client, now_s, wait_s)
        client.in_hand -= 1
        client.under_way += lasts
        return Turn(who, wait_s=wait_s, is_counted=lasts)

    def end(self, turn: Turn) -> None:
        """What was begun is over."""
        if turn.is_counted:
            self._clients[turn.who].under_way -= 1

    def _client(self, who: str, now_s: float) -> tuple[str, _Client]:
        client = self._clients.get(who)
        if client is None:
            if len(self._clients) >= self._clients_max:
                self._sweep(now_s)
            if len(self._clients) >= self._clients_max:
                who = OTHERS
            client = self._clients.setdefault(who, _Client(self._pace.burst, now_s))
        return who, client

    def _sweep(self, now_s: float) -> None:
        """Forget who is idle: nothing under way, and all turns in hand again."""
        if now_s - self._swept_s < SWEEP_EVERY_S:
            return
        self._swept_s = now_s
        per_s, burst = self._pace.per_s, self._pace.burst
        self._clients = {
            who: client
            for who, client in self._clients.items()
            if client.under_way or client.in_hand + (now_s - client.at_s) * per_s < burst
        }


@dataclass(slots=True)
class Limits:
    """The turns of paired clients, of strangers by address, and of connections by address."""

    section: LimitsSection
    clients: Turns = field(init=False)
    strangers: Turns = field(init=False)
    connections: Turns = field(init=False)

    def __post_init__(self) -> None:
        said = self.section
        self.clients = Turns(Pace(said.requests_per_s, said.burst, said.at_once))
        per_s, burst = said.requests_per_s * STRANGER_SHARE, said.burst / 2  # a console's page is thirty files
        self.strangers = Turns(Pace(per_s, burst, said.at_once))
        self.connections = Turns(Pace(CONNECTS_PER_S, 2 * said.connections, said.connections, wait_max_s=0.0))


def _refused(who: str, client: _Client, now_s: float, retry_after_s: float) -> Turn:
    is_news = now_s - client.said_s >= SAID_AGAIN_S
    if is_news:
        client.said_s = now_s
    client.refused += 1
    return Turn(who, retry_after_s=retry_after_s, share=client.refused * GOLDEN % 1, is_news=is_news)
