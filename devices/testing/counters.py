"""A people counter without the device: who really passed, and the messages of a vendor that say so, with faults on demand.

Written from the vendors' documents beside the codecs, and sharing nothing with them: what the hub counts is held against
`entered` and `exited`. Forms are those of an option `format`; a message is the bytes of an HTTP body or MQTT payload.
"""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime

WINDOW_MS = 60_000


class SimulatedCounter:
    """People pass, time passes; `message` is what the device sends then. `bits` is how far its totals count."""

    def __init__(self, form: str, *, now_ms: int, entered: int = 0, exited: int = 0, bits: int = 63) -> None:
        self.entered = self.exited = 0  # since the simulation began
        self._form, self._wraps_at = form, 2**bits
        self._totals = [entered % self._wraps_at, exited % self._wraps_at]
        self._window = [0, 0]
        self._now_ms = self._begun_ms = now_ms
        self._frame = 0

    def people(self, entered: int, exited: int = 0) -> None:
        """Somebody passes."""
        self.entered, self.exited = self.entered + entered, self.exited + exited
        for way, count in enumerate((entered, exited)):
            self._totals[way] = (self._totals[way] + count) % self._wraps_at
            self._window[way] += count

    def message(self) -> bytes:
        """A minute later: what it says. Send it twice, and it was sent twice."""
        self._now_ms += WINDOW_MS
        self._frame += 1
        said = _FORMS[self._form](self)
        self._begun_ms, self._window = self._now_ms, [0, 0]
        return said

    def restart(self) -> None:
        """Its power is cut: totals begin again from 0, and what it had not sent is gone."""
        self._totals = [0, 0]
        self.entered, self.exited = self.entered - self._window[0], self.exited - self._window[1]
        self._window = [0, 0]

    def _milesight(self) -> bytes:
        line = {"line": 1, "line_name": "Door", "line_uuid": "9a0440de-3188-4f6d-b886-bb20c97bd26b"}
        window = dict(zip(("in", "out"), self._window, strict=True))
        totals = {"in_counted": self._totals[0], "out_counted": self._totals[1], "capacity_counted": 0}
        return _json(
            {
                "device_info": {"device_sn": "6384E16179950009", "device_name": "People Counter", "running_time": 58},
                "time_info": {
                    "start_time": _at(self._begun_ms),
                    "end_time": _at(self._now_ms),
                    "time_zone": "UTC+0:00",
                },
                "line_periodic_data": [line | {"total": window}],
                "line_total_data": [line | {"total": totals}],
            }
        )

    def _xovis(self) -> bytes:
        counts = [{"id": n, "name": name, "value": self._window[n]} for n, name in enumerate(("fw", "bw"))]
        record = {"from": _at(self._begun_ms), "to": _at(self._now_ms), "samples": 1, "counts": counts}
        sensor = {"serial_number": "00:6E:02:01:02:03", "type": "SINGLE_SENSOR", "name": "door"}
        package = {"version": "5.0", "id": self._frame, "agent_id": 1000}
        logics = [{"id": 1, "name": "Door", "records": [record]}]
        return _json({"logics_data": {"package_info": package, "sensor_info": sensor, "logics": logics}})

    def _axis(self) -> bytes:
        window = {"utcFrom": _at(self._begun_ms), "utcTo": _at(self._now_ms)}
        items = [{"direction": way, "count": self._window[n], "adults": 0} for n, way in enumerate(("in", "out"))]
        data = window | {"measurements": [{"kind": "people-counts", **window, "items": items}]}
        head = {"apiName": "Axis Retail Data", "apiVersion": "0.4", "utcSent": _at(self._now_ms)}
        return _json(head | {"data": data, "sensor": {"serial": "b8a44f000000", "name": "door"}})

    def _hikvision(self) -> bytes:
        is_total = self._form == "hikvision"
        entered, exited = self._totals if is_total else self._window
        span = (
            f"<TimeRange><startTime>{_at(self._begun_ms)}</startTime><endTime>{_at(self._now_ms)}</endTime></TimeRange>"
        )
        method = (
            "<statisticalMethods>realTime</statisticalMethods>"
            if is_total
            else f"<statisticalMethods>timeRange</statisticalMethods>{span}"
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<EventNotificationAlert version="2.0" '
            'xmlns="http://www.hikvision.com/ver20/XMLSchema"><macAddress>44:47:cc:50:00:c1</macAddress><channelID>1</channelID>'
            f"<dateTime>{_at(self._now_ms)}</dateTime><eventType>PeopleCounting</eventType><peopleCounting>{method}"
            f"<enter>{entered}</enter><exit>{exited}</exit></peopleCounting></EventNotificationAlert>"
        ).encode()

    def _terabee(self) -> bytes:
        return self._uplink(1, b"".join(total.to_bytes(4) for total in self._totals) + b"\0")

    def _parametric(self) -> bytes:
        values = (*self._window, *self._totals, 7200, 3300, 313)
        return self._uplink(14, b"\xbe\x01\x04" + b"".join(value.to_bytes(2) for value in values))

    def _imbuildings(self) -> bytes:
        head = b"\x02\x06" + bytes.fromhex("0004a30b00f0d40e") + b"\0" + (256).to_bytes(2)
        counts = b"".join(value.to_bytes(2) for value in self._window) + b"\x20"
        totals = b"".join(value.to_bytes(2) for value in self._totals)
        return self._uplink(26, head + counts + totals + bytes((self._frame % 256,)))

    def _milesight_lorawan(self) -> bytes:
        entered, exited = (total.to_bytes(4, "little") for total in self._totals)
        window = b"".join(value.to_bytes(2, "little") for value in self._window)
        return self._uplink(85, b"\x03\xd2" + entered + b"\x04\xd2" + exited + b"\x05\xcc" + window)

    def _uplink(self, fport: int, payload: bytes) -> bytes:
        said = {
            "deviceInfo": {"devEui": "a84041000181c061"},
            "fPort": fport,
            "fCnt": self._frame,
            "time": _at(self._now_ms),
        }
        return _json(said | {"data": base64.b64encode(payload).decode()})


_FORMS: dict[str, Callable[[SimulatedCounter], bytes]] = {
    "milesight": SimulatedCounter._milesight,
    "milesight_interval": SimulatedCounter._milesight,
    "xovis": SimulatedCounter._xovis,
    "axis": SimulatedCounter._axis,
    "hikvision": SimulatedCounter._hikvision,
    "hikvision_interval": SimulatedCounter._hikvision,
    "terabee_lorawan": SimulatedCounter._terabee,
    "parametric_lorawan": SimulatedCounter._parametric,
    "imbuildings_lorawan": SimulatedCounter._imbuildings,
    "milesight_lorawan": SimulatedCounter._milesight_lorawan,
    "milesight_lorawan_interval": SimulatedCounter._milesight_lorawan,
}
FORMS = tuple(_FORMS)


def _json(document: dict[str, object]) -> bytes:
    return json.dumps(document).encode()


def _at(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
