"""Phones that Wi-Fi probes heard, on their way to numbers: hashed under the day's key, told apart in memory, added up.

    address ──hash, key of the trading day──▶ name ──new at this place in this hour, in this day──▶ + 1 (steady or randomised)

No address and no name is stored or logged; the key is in memory only and replaced at the day's end (hub.attached.pseudonyms), so
figures are of one day. A hub that starts takes a new key and may count a phone again: the day says how many keys it had. A report
sent twice counts once. Source: the design, section 5.
"""

import logging
from collections.abc import Sequence
from datetime import date, timedelta

from devices.codecs.probes import is_randomised
from devices.errors import NotRecordedError
from devices.model import ProbeReport
from hub.attached.pseudonyms import Pseudonyms
from hub.runtime import Runtime
from hub.store import probes
from hub.store.model import utc
from hub.store.probes import KEEP_DAYS, Heard
from sync.errors import BusyError, OutcomeUnknownError
from sync.retail.selling.days import business_date

QUARTER_MS, HOUR_MS = 900_000, 3_600_000
LATE_MAX_MS = QUARTER_MS  # an older report, or one from ahead, is put where it arrives: the probe's clock is wrong
NAMES_MAX = 100_000  # phones told apart in a day; of further ones nothing is counted, and the log says so once

log = logging.getLogger(__name__)


class Probes:
    """The phones of this trading day, by place."""

    def __init__(self, hub: Runtime) -> None:
        self._hub = hub
        self._names = Pseudonyms(hub.new_secret)
        self._day = ""
        self._seen: dict[tuple[str, int | None], set[str]] = {}  # place, hour (None: the day)
        self._is_full = False

    async def on_reports(self, device_id: str, reports: Sequence[ProbeReport]) -> None:
        """Return when the reports are in the books; raise NotRecordedError when the hub cannot write."""
        hub = self._hub
        now_ms = hub.now_ms()
        today = business_date(utc(now_ms), hub.shop.zone, cut_over_hour=hub.shop.cut_over_hour)
        if today != self._day:
            self._day, self._seen, self._is_full = today, {}, False
        self._seen = {
            key: names for key, names in self._seen.items() if key[1] is None or key[1] > now_ms - 2 * HOUR_MS
        }
        heard: list[Heard] = []
        fresh: dict[tuple[str, int | None], set[str]] = {}
        for report in reports:
            heard += self._heard(report, fresh, now_ms)
        if hub.room.thins:
            hub.metrics.thinned.inc(sum(each.hour_ms is not None for each in heard))
            heard = [each for each in heard if each.hour_ms is None]
        forget_before = (date.fromisoformat(today) - timedelta(days=KEEP_DAYS)).isoformat()
        try:
            await hub.db.write(
                lambda tx: probes.record(tx, heard, forget_before=forget_before),
                then=lambda _: self._keep(today, fresh),
            )
        except (BusyError, OutcomeUnknownError) as err:
            raise NotRecordedError(f"{device_id}: {err.code}") from err

    def _heard(self, report: ProbeReport, fresh: dict[tuple[str, int | None], set[str]], now_ms: int) -> list[Heard]:
        at_ms = now_ms if report.at_ms is None or abs(now_ms - report.at_ms) > LATE_MAX_MS else report.at_ms
        hour_ms = at_ms - at_ms % HOUR_MS
        names = {self._names.of(address.hex(), day=self._day): is_randomised(address) for address in report.addresses}
        found = []
        for hour in (hour_ms, None):
            key = (report.place, hour)
            is_first = key not in self._seen and key not in fresh
            known, new = self._seen.get(key, set()), fresh.setdefault(key, set())
            added = {name: kind for name, kind in names.items() if name not in known and name not in new}
            if len(known) + len(new) + len(added) > NAMES_MAX:
                self._say_full(report.place)
                added = {}
            new.update(added)
            randomised = sum(added.values())
            quarter, salts = at_ms % HOUR_MS // QUARTER_MS, int(is_first)
            found.append(Heard(report.place, self._day, len(added) - randomised, randomised, hour, quarter, salts))
        return found

    def _keep(self, day: str, fresh: dict[tuple[str, int | None], set[str]]) -> None:
        """After the commit: these are known now."""
        if day == self._day:
            for key, names in fresh.items():
                self._seen.setdefault(key, set()).update(names)

    def _say_full(self, place: str) -> None:
        if not self._is_full:
            self._is_full = True
            log.warning("too many phones to tell apart today; further ones are not counted", extra={"place": place})
