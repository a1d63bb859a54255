"""What drivers hand in to be durable, led by its kind to whoever writes it down. A driver hands in one kind."""

from collections.abc import Sequence
from datetime import timedelta

from devices.errors import NotRecordedError
from devices.model import CounterReading, Dwell, ProbeReport, Reading
from hub.attached.probes import Probes
from hub.attached.zones import who
from hub.runtime import Runtime
from hub.store import dwells
from hub.visitors import Visitors
from sync.errors import BusyError, OutcomeUnknownError
from sync.retail.visitors.dwells import DwellRow


class Readings:
    """Where the device side hands in its readings."""

    def __init__(self, hub: Runtime) -> None:
        self._hub = hub
        self._visitors, self._probes = Visitors(hub), Probes(hub)

    async def on_readings(self, device_id: str, readings: Sequence[Reading]) -> None:
        """Return when the readings are durable; raise NotRecordedError when the hub cannot write."""
        try:
            self._hub.room.admit_telemetry()
        except BusyError as err:
            raise NotRecordedError(f"{device_id}: {err.code}") from err
        counts = [reading for reading in readings if isinstance(reading, CounterReading)]
        stays = [reading for reading in readings if isinstance(reading, Dwell) and self._is_kept(reading)]
        reports = [reading for reading in readings if isinstance(reading, ProbeReport)]
        if counts:
            await self._visitors.on_readings(device_id, counts)
        if stays:
            await self._record(device_id, [self._row(stay) for stay in stays])
        if reports:
            await self._probes.on_reports(device_id, reports)

    def _is_kept(self, stay: Dwell) -> bool:
        is_kept = self._hub.room.keeps_stay(stay.lasted_ms, goes_on=stay.goes_on)
        self._hub.metrics.thinned.inc(not is_kept)
        return is_kept

    async def _record(self, device_id: str, rows: Sequence[DwellRow]) -> None:
        hub = self._hub
        try:
            await hub.db.write(lambda tx: dwells.record(tx, hub.replica, rows))
        except (BusyError, OutcomeUnknownError) as err:
            raise NotRecordedError(f"{device_id}: {err.code}") from err

    def _row(self, stay: Dwell) -> DwellRow:
        """Date a stay by the hub's clock: what the driver says of it is how long ago."""
        ended = self._hub.now - timedelta(milliseconds=stay.ended_ago_ms)
        begun = ended - timedelta(milliseconds=stay.lasted_ms)
        name = who(self._hub, stay.beacon, stay.carrier)
        return DwellRow(
            dwell_id=stay.dwell_id,
            zone=stay.zone,
            visitor=name.get("visitor", ""),
            thing=name.get("thing", ""),
            begun=begun,
            ended=ended,
            goes_on=stay.goes_on,
        )
