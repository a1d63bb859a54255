"""A printer that does not work is stood in for: what is queued for it goes to the printer that its section names `instead`.

    works  --not ready-->  away, since when is known  --instead_after_s-->  out: what is queued, and what comes, moves
    away, out  --ready-->  works: what comes is its own again; what has moved is printed where it went

Only a job that has not begun moves, in one write that looks whether it still has not (hub.store.selling.printing): it is
never printed twice. When both are out it stays in the queue. Not here: how a job is begun and ends (hub.printing.spooler).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from devices.driver import PrinterOptions
from devices.model import Health
from devices.supervision.outside import DeviceSpec, DeviceState
from hub.printing.spooler import Spooler
from hub.store.selling import printing
from hub.store.selling.printing import PrintJobView
from sync.db import Database

log = logging.getLogger(__name__)


class FailOver:
    """Watches the printers that name another one."""

    def __init__(
        self,
        db: Database,
        spoolers: Mapping[str, Spooler],
        devices: Sequence[DeviceSpec],
        *,
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
        announce: Callable[[PrintJobView], None],
    ) -> None:
        self._db, self._spoolers = db, spoolers
        self._now_ms, self._monotonic_s, self._announce = now_ms, monotonic_s, announce
        self._rules = {
            spec.device_id: spec.options
            for spec in devices
            if isinstance(spec.options, PrinterOptions) and spec.options.instead
        }
        self._away_since_s = dict.fromkeys(spoolers, monotonic_s())
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._is_logged: set[str] = set()
        for printer_id, spooler in spoolers.items():
            spooler.on_change = self._looker(printer_id)

    def on_status(self, state: DeviceState) -> None:
        """A device's health has changed."""
        printer_id = state.device_id
        if printer_id not in self._spoolers:
            return
        if state.health is Health.READY:
            self._away_since_s.pop(printer_id, None)
            self._is_logged.discard(printer_id)
            if timer := self._timers.pop(printer_id, None):
                timer.cancel()
        else:
            self._away_since_s.setdefault(printer_id, self._monotonic_s())
            self._look(printer_id)

    def _looker(self, printer_id: str) -> Callable[[], None]:
        def look() -> None:
            self._look(printer_id)
            for other, rule in self._rules.items():
                if rule.instead == printer_id:
                    self._look(other)

        return look

    def _look(self, printer_id: str) -> None:
        """Move what is queued for a printer, if it has been away for long enough and the other one works."""
        rule = self._rules.get(printer_id)
        away_since_s = self._away_since_s.get(printer_id)
        if rule is None or away_since_s is None:
            return
        left_s = away_since_s + rule.instead_after_s - self._monotonic_s()
        if left_s > 0:
            if printer_id not in self._timers:
                self._timers[printer_id] = asyncio.get_running_loop().call_later(left_s, self._due, printer_id)
            return
        if rule.instead in self._away_since_s or not self._spoolers[rule.instead].is_attended:
            return
        self._spoolers[printer_id].give_way()
        self._move(printer_id, rule.instead)

    def _due(self, printer_id: str) -> None:
        del self._timers[printer_id]
        self._look(printer_id)

    def _move(self, printer_id: str, to: str) -> None:
        now_ms = self._now_ms()
        if printing.next_job(self._db.read, printer_id) is None:
            return  # what gave way is queued by a write that leads here again
        if printer_id not in self._is_logged:
            self._is_logged.add(printer_id)
            log.warning("another printer prints", extra={"device": printer_id, "instead": to})
        self._db.write_soon(lambda tx: printing.move(tx, printer_id, to=to, now_ms=now_ms), then=self._moved)

    def _moved(self, jobs: list[PrintJobView]) -> None:
        for job in jobs:
            self._announce(job)
        for printer_id in {job.printer_id for job in jobs}:
            self._spoolers[printer_id].poke()
