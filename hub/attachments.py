"""What is plugged into this machine, for the devices of the configuration: who is where, who is missing, who stands in.

A driver's `usb` is looked up here. What a configured device was when it was last found is remembered, so that a replacement
is known when it is plugged in: "looks like the replacement of lane1-scanner, take over?" A person decides; then it is opened
in the other's place until that is undone, or the configuration names another device. If the old one comes back while the
new one is away, it is used again. Nothing is opened here.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from devices.plug.attachment import Attached, AttachmentError, Machine, Match, Subsystem, matches, named, select, wakes
from devices.plug.replacement import Likeness, Offer, Wanted, offers
from devices.plug.watcher import Watcher
from devices.supervision.outside import DeviceSpec
from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.store import attachments as kept
from hub.store.attachments import TakeOver
from hub.store.model import utc
from sync.db import Database

log = logging.getLogger(__name__)


class Replaces(Struct, frozen=True):
    """A configured device that is missing, and how like it this one is."""

    device_id: str
    likeness: Likeness


class AttachedView(Struct, frozen=True):
    """Something attached: what it is called for good (`usb`), whose it is by the configuration, whom it could replace."""

    attached: Attached
    usb: Match | None
    device_id: str | None
    replaces: list[Replaces]


class Wakes(Protocol):
    """The supervisor, as far as plugs concern it."""

    def plugged(self, attached: Attached) -> None: ...

    def wake(self, device_id: str) -> None: ...

    def reopen(self, device_id: str) -> None: ...


class Attachments:
    """The hub's view of its sockets. `tell` announces an offer, once for as long as it stands."""

    def __init__(
        self,
        db: Database,
        specs: Sequence[DeviceSpec],
        *,
        now_ms: Callable[[], int],
        tell: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self.machine: Machine = Watcher()
        self._db, self._specs, self._now_ms, self._tell = db, specs, now_ms, tell
        self._seen = kept.all_seen(db.read)
        self._take_overs = kept.all_take_overs(db.read)
        self._asked: dict[str, tuple[Subsystem, Match]] = {}
        self._arrived: set[str] = set()
        self._told: set[tuple[str, str]] = set()
        self._supervisor: Wakes | None = None

    @contextmanager
    def watching(self, supervisor: Wakes) -> Iterator[None]:
        """Hear of plugs; a machine that cannot tell is said once, and devices configured by their node work all the same."""
        self._supervisor = supervisor
        with ExitStack() as watched:
            try:
                watched.enter_context(self.machine.watching(self._on_plugged, self._on_unplugged))
            except (AttachmentError, OSError) as err:
                log.warning("plugging in goes unnoticed", extra={"detail": str(err)})
            yield

    def attached(self, device_id: str, match: Match, subsystem: Subsystem) -> Attached:
        """Return what a driver shall open: the device that stands in for the configured one, or that one itself."""
        self._asked[device_id] = (subsystem, match)
        there = self.machine.attached()
        taken = self._take_over_of(device_id)
        try:
            found = select(there, self._meant(taken, match, there, subsystem), subsystem=subsystem)
        except AttachmentError:
            self._announce(there)
            raise
        if self._seen.get(device_id) != found:
            self._seen[device_id], now_ms = found, self._now_ms()
            self._db.write_soon(lambda tx: kept.put_seen(tx, device_id, found, now_ms=now_ms), then=lambda _: None)
        return found

    def views(self) -> list[AttachedView]:
        """Return all that is attached; raise RefusedError where the machine cannot tell."""
        there = self._there()
        found = self._offers(there)
        return [self._view(each, there, found) for each in there]

    def offers(self) -> list[Offer]:
        """Return what looks like the replacement of a missing device; nothing where the machine cannot tell."""
        if not self._asked:
            return []
        try:
            return self._offers(self.machine.attached())
        except AttachmentError:
            return []

    def take_overs(self) -> dict[str, TakeOver]:
        """Return what stands in for which device now."""
        return {device_id: taken for device_id in self._asked if (taken := self._take_over_of(device_id)) is not None}

    async def take_over(self, device_id: str, node: str, *, actor: str) -> TakeOver:
        """Let what is at `node` stand in for a configured device; repeated, the same answer."""
        subsystem, match = self._asked_of(device_id)
        there = self._there()
        attached = next((each for each in there if node in (each.node, *each.links)), None)
        if attached is None:
            raise NotFoundError("attached", f"nothing is attached at {node!r}; GET /v1/devices/attached lists what is")
        if attached.subsystem != subsystem:
            raise RefusedError(
                "other_kind", f"{device_id} is a {subsystem} device, {node} is {attached.subsystem}", pointer="/node"
            )
        if (owner := self._owner_of(attached)) not in (None, device_id):
            raise ConflictError("attached_in_use", f"{node} is {owner}", pointer="/node")
        if (usb := named(attached, there)) is None:
            raise RefusedError(
                "nameless", f"{node} says nothing of itself that would name it for good", pointer="/node"
            )
        now_ms = self._now_ms()
        taken = TakeOver(device_id, match, usb, actor, utc(now_ms))
        if (before := self._take_over_of(device_id)) is not None and before.usb == taken.usb:
            return before
        await self._db.write(lambda tx: kept.put_take_over(tx, taken, now_ms=now_ms))
        self._take_overs[device_id] = taken
        self._reopen(device_id)
        return taken

    async def put_back(self, device_id: str, *, actor: str) -> None:
        """Undo a take-over: the configuration's own device is meant again."""
        self._asked_of(device_id)
        now_ms = self._now_ms()
        await self._db.write(lambda tx: kept.drop_take_over(tx, device_id, actor=actor, now_ms=now_ms))
        if self._take_overs.pop(device_id, None) is not None:
            self._reopen(device_id)

    def _there(self) -> list[Attached]:
        try:
            return self.machine.attached()
        except AttachmentError as err:
            raise RefusedError("no_udev", str(err)) from err

    def _asked_of(self, device_id: str) -> tuple[Subsystem, Match]:
        known = {spec.device_id for spec in self._specs}
        if device_id not in known:
            raise NotFoundError("device", f"no device {device_id!r}; devices: {', '.join(sorted(known)) or 'none'}")
        if device_id not in self._asked:
            raise RefusedError("not_by_usb", f"{device_id} is configured by its node or address, not by `usb`")
        return self._asked[device_id]

    def _take_over_of(self, device_id: str) -> TakeOver | None:
        """What stands in for a device; nothing once the configuration has come to mean another than was replaced."""
        taken, asked = self._take_overs.get(device_id), self._asked.get(device_id)
        return taken if taken and asked and asked[1] == taken.instead_of else None

    @staticmethod
    def _meant(taken: TakeOver | None, match: Match, there: Sequence[Attached], subsystem: Subsystem) -> Match:
        if taken is None:
            return match
        stands_in = any(each.subsystem == subsystem and matches(taken.usb, each) for each in there)
        is_back = any(each.subsystem == subsystem and matches(match, each) for each in there)
        return match if is_back and not stands_in else taken.usb

    def _wanted(self, there: Sequence[Attached]) -> list[Wanted]:
        return [
            Wanted(
                device_id,
                subsystem,
                self._meant(self._take_over_of(device_id), match, there, subsystem),
                self._seen.get(device_id),
            )
            for device_id, (subsystem, match) in self._asked.items()
        ]

    def _offers(self, there: Sequence[Attached]) -> list[Offer]:
        taken = {each.node for each in there if self._owner_of(each) is not None}
        return offers(self._wanted(there), there, arrived=self._arrived, taken=taken)

    def _owner_of(self, attached: Attached) -> str | None:
        """Whose it is: by a take-over, else by the configuration."""
        for device_id, taken in self.take_overs().items():
            if attached.subsystem == self._asked[device_id][0] and matches(taken.usb, attached):
                return device_id
        return next((spec.device_id for spec in self._specs if self._means(spec, attached)), None)

    def _means(self, spec: DeviceSpec, attached: Attached) -> bool:
        """Whether a section means this node: a driver that has asked opens nodes of one subsystem only."""
        asked = self._asked.get(spec.device_id)
        return wakes(spec.options, attached) and (asked is None or asked[0] == attached.subsystem)

    def _view(self, attached: Attached, there: Sequence[Attached], found: Sequence[Offer]) -> AttachedView:
        return AttachedView(
            attached,
            named(attached, there),
            self._owner_of(attached),
            [Replaces(each.device_id, each.likeness) for each in found if each.attached == attached],
        )

    def _on_plugged(self, attached: Attached) -> None:
        self._arrived.add(attached.node)
        assert self._supervisor is not None
        self._supervisor.plugged(attached)
        for device_id, taken in self.take_overs().items():
            if matches(taken.usb, attached):
                self._supervisor.wake(device_id)
        if self._asked:
            self._announce(self.machine.attached())

    def _on_unplugged(self, node: str) -> None:
        self._arrived.discard(node)

    def _reopen(self, device_id: str) -> None:
        if self._supervisor is not None:
            self._supervisor.reopen(device_id)

    def _announce(self, there: Sequence[Attached]) -> None:
        found = {(each.device_id, each.attached.node): each for each in self._offers(there)}
        for key in found.keys() - self._told:
            offer = found[key]
            data = {"code": "replacement", "device_id": offer.device_id, "likeness": offer.likeness}
            self._tell("alarm", data | {"attached": msgspec.to_builtins(offer.attached)})
        self._told = set(found)
