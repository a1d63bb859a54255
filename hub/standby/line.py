"""The line between the two hubs of a store: the one that follows dials, the other answers. Both sell, each under its own name.

Not here: what travels on it (hub.standby.books), the route (hub.api.replica.link), who takes over when (tills ask the hub they
reach).
"""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from msgspec import Struct

from hub.books import HubBooks
from hub.standby.books import StandbyBooks
from hub.store.model import utc
from sync.actions import End, Opened
from sync.line.dialler import Dialler
from sync.line.link import Conversation, WebSocket
from sync.line.state import REMEDIES, LinkState
from sync.line.wire import ContextSource, own_roots

_REMEDIES = REMEDIES | {
    "unreachable": "check the other hub's power and network, and [standby] follows",
    "timeout": "the other hub is reached and does not answer in time: look at its log",
    "refused": "pair at the other hub (storehub pair --scope standby) and correct [standby] token, or [store] id",
    "not_a_cloud": "something else answers at this address: correct [standby] follows",
    "dns": "the other hub's name is not found: check [standby] follows, or write its address there",
    "captive_portal": "a login page answers at this address: correct [standby] follows",
    "tls": "the certificate is not the other hub's: write [standby] ca_sha256 as `storehub tls show` there says; see the clock",
    "wrong_ca": "compare [standby] ca_sha256 with `storehub tls show` there; where it is right, somebody else answers",
}
log = logging.getLogger(__name__)


FOLLOWERS_MAX = 4  # a shop has one or two; more are refused with 503, and dial again


class StandbyView(Struct, frozen=True, omit_defaults=True):
    """How the line to the store's other hub is: which of the two dials, since when it is so, who that is."""

    role: Literal["follows", "followed"]
    up: bool
    since: datetime
    peer: str = ""
    reason: str = ""
    detail: str = ""
    remedy: str = ""


@dataclass(slots=True)
class _Follower:
    """A hub that follows this one: by which token, and how its line is cut; who it is once it has said so."""

    till_id: str
    cut: Callable[[], None]
    rep: str = ""


class Standby:
    """Both ends: `run` follows another hub, `answer` serves one that follows this one."""

    def __init__(self, books: HubBooks, *, now_ms: Callable[[], int], on_change: Callable[[], None]) -> None:
        self.books = StandbyBooks(books)
        self._now_ms = now_ms
        self._on_change = on_change
        self._followers: dict[Conversation, _Follower] = {}
        self._dialler: Dialler | None = None
        self._followed_ms: int | None = None  # since when somebody follows, or nobody any more

    def view(self) -> StandbyView | None:
        """Return how the line is, None where there was never one."""
        if self._dialler is not None:
            link = self._dialler.state
            remedy = "" if link.is_up else _REMEDIES.get(link.reason, "")
            since = utc(link.since_ms)
            return StandbyView("follows", link.is_up, since, link.peer_rep, link.reason, link.detail, remedy)
        if self._followed_ms is None:
            return None
        peers = sorted(each.rep for each in self._followers.values() if each.rep)
        return StandbyView("followed", bool(peers), utc(self._followed_ms), ", ".join(peers))

    def peers_up(self) -> frozenset[str]:
        """Return the lives of the store's other hubs with which the line is up."""
        if self._dialler is not None:
            return frozenset({self._dialler.state.peer_rep} if self._dialler.state.is_up else ())
        return frozenset(each.rep for each in self._followers.values() if each.rep)

    @property
    def is_full(self) -> bool:
        """Whether nobody more may follow."""
        return len(self._followers) >= FOLLOWERS_MAX

    def grown(self) -> None:
        """Say that own logs have grown."""
        for conversation in self._followers:
            conversation.grown()
        if self._dialler is not None:
            self._dialler.grown()

    def shut_out(self, till_id: str) -> None:
        """Cut whoever follows by a token that is worth nothing any more."""
        for each in self._followers.values():
            if each.till_id == till_id:
                each.cut()

    async def answer(self, ws: WebSocket, *, till_id: str, cut: Callable[[], None]) -> End:
        """Talk with a hub that follows this one until either side ends; an older connection of the same one is cut."""

        def opened(what: Opened) -> None:
            for older in self._followers.values():
                if older.rep == what.peer_rep:
                    older.cut()
            follower.rep = what.peer_rep
            self._followed_ms = self._now_ms()
            log.info("the store's other hub follows this one", extra={"peer": what.peer_rep})
            self._on_change()

        conversation = Conversation(
            "acceptor", self.books, now_ms=self._now_ms, on_open=opened, admits=self.books.admits
        )
        self._followers[conversation] = follower = _Follower(till_id, cut)
        try:
            end = await conversation.run(ws)
        finally:
            del self._followers[conversation]
            self._followed_ms = self._now_ms()
            self._on_change()
        extra = {"peer": end.peer, "reason": end.code, "detail": end.detail}
        log.info("the store's other hub does not follow this one any more", extra=extra)
        return end

    async def run(
        self,
        url: str,
        token: str,
        *,
        rng: random.Random,
        reconnect_max_s: float,
        context: ContextSource = own_roots,
    ) -> None:
        """Follow another hub until cancelled."""

        def on_state(_: LinkState) -> None:
            self._on_change()

        self._dialler = Dialler(
            url,
            token,
            self.books,
            peer="the store's other hub",
            remedies=_REMEDIES,
            now_ms=self._now_ms,
            rng=rng,
            on_state=on_state,
            reconnect_max_s=reconnect_max_s,
            transport="websocket",
            context=context,
        )
        await self._dialler.run()
