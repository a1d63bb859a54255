"""Keeps a good certificate for a hub on the LAN: made at the first start, renewed before it ends and when addresses change.

    due        no leaf · another authority · lacks a name or address · RENEW_DAYS before its end · dated ahead of a sure clock
    dated      BACKDATE_DAYS before now, so that a tablet whose clock lags accepts it; LEAF_DAYS in all
    unsure     a hub that was told no time since it started takes the latest that it has seen: the program's own, the last leaf's

A leaf that begins in the future of a clock that is not sure stays, and one that ends soon by it stays until its end: what the
tablets' clocks say is not known here.
Connections that are open keep the certificate that they were opened with. Not here: files, making, listening.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

from hub.tls import files
from hub.tls.addresses import Address, machine_addresses
from hub.tls.files import Authority, Leaf
from sync.errors import StartError

FLOOR_MS = 1_767_225_600_000  # 2026-01-01: no clock that says less is right
DAY_MS = 86_400_000
AUTHORITY_DAYS = 20 * 365  # a shop's tablets trust it once
LEAF_DAYS = 396  # iPadOS takes 398 at most
BACKDATE_DAYS = 30
RENEW_DAYS = 120  # before the end: a shop that is shut for a season opens with a good one
LOOK_EVERY_S = 30.0  # a router that gives out another address is followed within a minute
NAMES_MAX = 40  # addresses in one certificate: beyond it those that come last are left out
_LOOPBACK = ("127.0.0.1", "::1")

log = logging.getLogger(__name__)
T = TypeVar("T")


class Tls:
    """The certificate of one hub. `context` is for the next connection, None while there is no authority to sign one."""

    def __init__(
        self,
        folder: Path,
        *,
        store_id: str,
        host: str,
        names: tuple[str, ...] = (),
        makes_authority: bool = True,
        now_ms: Callable[[], int],
        is_sure: Callable[[], bool],
        addresses: Callable[[], tuple[Address, ...]] = machine_addresses,
    ) -> None:
        """`host` is where the hub listens; a hub that follows another one makes no authority but is told the store's."""
        self._folder = folder
        self._store_id = store_id
        self._host = ip_address(host)
        self._named = names
        self._makes_authority = makes_authority
        self._now_ms = now_ms
        self._is_sure = is_sure
        self._asked_addresses = addresses
        self._has_said_behind = False
        self._lock = asyncio.Lock()
        self.authority: Authority | None = None
        self.leaf: Leaf | None = None
        self.context: ssl.SSLContext | None = None

    def open(self) -> None:
        """Read what there is and make what is missing; raise StartError for what only a person can put right."""
        self.authority = files.read_authority(self._folder)
        if self.authority is None:
            if not self._makes_authority:
                log.warning(
                    "this hub follows another one and waits for the store's CA; until then: only on this machine"
                )
                return
            self._make_authority()
        try:
            kept = files.read_leaf(self._folder)
        except StartError as err:
            log.error("a new certificate is made, the damaged one is kept beside it", extra={"error": str(err)})
            files.put_aside(self._folder)
            kept = None
        if kept is not None:
            self.leaf, self.context = kept
        self.refresh()
        refused = set(self._named) & set(self.leaf.left_out if self.leaf else ())
        if refused:
            raise StartError(
                f"tls.names: the store's CA was made without {', '.join(sorted(refused))} and may not sign for it. Take it out "
                f"or move {self._folder / files.AUTHORITY} away: a new one is made, and each tablet has to trust it at /pair"
            )

    @property
    def host(self) -> str:
        """Where the hub listens."""
        return str(self._host)

    def refresh(self) -> str:
        """Make a new leaf if one is due; return why, "" when none is."""
        due = self.due()
        if due:
            self.renew(due)
        return due

    def due(self) -> str:
        """Return why a new leaf is due, "" when none is."""
        authority, leaf, now_ms = self.authority, self.leaf, self._known_ms()
        if authority is None:
            return ""
        if leaf is None or self.context is None:
            return "there is none"
        if leaf.authority != authority.sha256:
            return "another authority signed it"
        held = {*leaf.names, *leaf.addresses, *leaf.left_out}
        lacking = {*self.names(), *map(str, self.addresses())} - held
        if lacking:
            return f"it lacks {', '.join(sorted(lacking))}"
        if now_ms >= leaf.not_after_ms - (RENEW_DAYS * DAY_MS if self._is_sure() else 0):
            return "it ends"
        if self._now_ms() < leaf.not_before_ms:
            if self._is_sure():
                return "it is dated ahead of the clock"
            self._say_behind(leaf)
        return ""

    def renew(self, why: str) -> Leaf:
        """Make a leaf now; connections from here on are shown it."""
        from hub.tls.making import make_leaf  # here: see hub.tls.files

        assert self.authority is not None, "whoever asks has seen that there is one"
        known_ms, addresses = self._known_ms(), self.addresses()
        begins_ms = known_ms - BACKDATE_DAYS * DAY_MS
        ends_ms = begins_ms + LEAF_DAYS * DAY_MS
        whole = files.authority_with_key(self._folder)
        made = make_leaf(whole, names=self.names(), addresses=addresses, days=(begins_ms, ends_ms))
        leaf = Leaf(
            authority=self.authority.sha256,
            names=tuple(name for name in self.names() if name not in made.left_out),
            addresses=tuple(str(each) for each in addresses if str(each) not in made.left_out),
            not_before_ms=begins_ms,
            not_after_ms=ends_ms,
            dated_ms=known_ms,
            left_out=made.left_out,
        )
        files.write_leaf(self._folder, leaf, made.pem)
        self.context = files.serving_context(self._folder / files.LEAF)
        self.leaf = leaf
        log.info("a certificate was made", extra={"why": why, "names": leaf.names, "addresses": leaf.addresses})
        if made.left_out:
            log.warning(
                "the store's CA may not sign for some of this machine's addresses", extra={"left_out": made.left_out}
            )
        if not self._is_sure():
            log.warning(
                "the clock is not sure: the certificate is dated back; set the time", extra={"dated_ms": begins_ms}
            )
        return leaf

    def adopt(self, pem: str) -> None:
        """Take the store's authority, as its other hub told it; raise StartError when it is none, or one is here already."""
        files.write_authority(self._folder, pem)
        self.authority = files.read_authority(self._folder)
        assert self.authority is not None, "it was written"
        log.info("this hub has the store's CA from the other hub", extra={"sha256": self.authority.sha256})
        self.refresh()

    def authority_with_key(self) -> str:
        """Return the authority, key and all, for the store's other hub."""
        return files.authority_with_key(self._folder)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.alone(self.refresh)
            except (StartError, OSError) as err:  # a full disk: the former one is good for months
                log.error("no certificate could be made", extra={"error": str(err)})

    async def alone(self, work: Callable[[], T]) -> T:
        """Do `refresh`, `renew` or `adopt` of a running hub in a thread, one at a time: the first loads a library."""
        async with self._lock:
            return await asyncio.to_thread(work)

    def names(self) -> tuple[str, ...]:
        """By which names this hub is called; the first one is the store's."""
        host_name = socket.gethostname().lower().partition(".")[0]
        own = (
            (f"{host_name}.local",)
            if host_name and host_name.replace("-", "").isalnum() and host_name.isascii()
            else ()
        )
        return tuple(dict.fromkeys((f"{self._store_id}.local", *own, "localhost", *self._named)))

    def addresses(self) -> tuple[Address, ...]:
        """Under which addresses this hub is reached."""
        told = self.lan_addresses()
        return (*told[:NAMES_MAX], *(ip_address(each) for each in _LOOPBACK))

    def lan_addresses(self) -> tuple[Address, ...]:
        """Those that a tablet can use."""
        return self._asked_addresses() if self._host.is_unspecified else (self._host,)

    def _make_authority(self) -> None:
        from hub.tls.making import make_authority  # here: see hub.tls.files

        days = (FLOOR_MS, max(self._now_ms(), FLOOR_MS) + AUTHORITY_DAYS * DAY_MS)
        made = make_authority(self._store_id, names=self._named, addresses=self.lan_addresses(), days=days)
        files.write_authority(self._folder, made.pem)
        self.authority = files.read_authority(self._folder)
        assert self.authority is not None, "it was written"
        log.info("the store has a CA; tablets trust it at /pair", extra={"sha256": self.authority.sha256})

    def _known_ms(self) -> int:
        """What time it is at least."""
        known_ms = max(self._now_ms(), FLOOR_MS)
        if not self._is_sure() and self.leaf is not None:
            known_ms = max(known_ms, self.leaf.dated_ms)
        return known_ms

    def _say_behind(self, leaf: Leaf) -> None:
        if not self._has_said_behind:
            self._has_said_behind = True
            log.warning(
                "the clock stands before the certificate begins; it stays, tablets go by their own clocks. Set the time",
                extra={"not_before_ms": leaf.not_before_ms},
            )
