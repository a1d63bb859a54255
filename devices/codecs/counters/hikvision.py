"""Hikvision's people counting event: an XML EventNotificationAlert, alone, in a multipart body, or by MQTT. Pure.

    <EventNotificationAlert> channelID, dateTime, macAddress, eventType PeopleCounting,
      <peopleCounting> statisticalMethods realTime | timeRange, enter, exit, TimeRange (startTime, endTime), regionsID

`realTime` brings totals that run on until the camera's daily reset, `timeRange` what came in an interval. A camera may send both,
of the same people: one format reads one of them. Other events of the camera are no counts. Source: ISAPI, People Counting
developer guide (EventNotificationAlert_PeopleCounting).
"""

from typing import Literal
from xml.parsers import expat

from devices.codecs.counters.count import PUSH_BYTES_MAX, Count, moment_ms, name, whole, word
from devices.errors import CountError

_BEGIN, _END = b"<EventNotificationAlert", b"</EventNotificationAlert>"
_DEPTH_MAX = 32


def people_counting(body: bytes | bytearray, method: Literal["realTime", "timeRange"]) -> list[Count]:
    """Return the count of one event by one method, nothing for what is no such event; raise CountError."""
    if len(body) > PUSH_BYTES_MAX:
        raise CountError("too_long", f"more than {PUSH_BYTES_MAX} bytes; let the camera send no picture")
    begin, end = body.find(_BEGIN), body.find(_END)
    if begin < 0 or end < begin:
        raise CountError("not_xml", "no EventNotificationAlert")
    said = _leaves(bytes(body[begin : end + len(_END)]))
    if said.get("eventType", "").lower() != "peoplecounting":
        return []
    if said.get("peopleCounting/statisticalMethods") != method:
        return []
    is_delta = method == "timeRange"
    entered, exited = (whole(said.get(f"peopleCounting/{what}"), is_delta=is_delta) for what in ("enter", "exit"))
    if entered is None and exited is None:
        raise CountError("no_count", "neither enter nor exit")
    window = [said.get(f"peopleCounting/TimeRange/{edge}", "") for edge in ("startTime", "endTime")]
    return [
        Count(
            sensor=name(said.get("macAddress")),
            line=":".join(filter(None, (name(said.get("channelID")), name(said.get("peopleCounting/regionsID"))))),
            at_ms=moment_ms(window[1] if is_delta else said.get("dateTime")),
            in_total=None if is_delta else entered or 0,
            out_total=None if is_delta else exited or 0,
            in_delta=(entered or 0) if is_delta else None,
            out_delta=(exited or 0) if is_delta else None,
            delta_id=word("~".join(window)[:64]) if is_delta and all(window) else None,
        )
    ]


def _leaves(document: bytes) -> dict[str, str]:
    """Return path -> text below the root, without name spaces; raise CountError. What declares entities stands before a root."""
    parser = expat.ParserCreate()
    path: list[str] = []
    found: dict[str, str] = {}

    def begin(tag: str, _attributes: object) -> None:
        path.append(tag.rpartition(":")[2])
        if len(path) > _DEPTH_MAX:
            raise CountError("not_xml", f"more than {_DEPTH_MAX} levels")

    def text(said: str) -> None:
        key = "/".join(path[1:])
        found[key] = (found.get(key, "") + said).strip()

    parser.StartElementHandler, parser.EndElementHandler = begin, lambda _tag: path.pop()
    parser.CharacterDataHandler = text
    try:
        parser.Parse(document, True)
    except expat.ExpatError as err:
        raise CountError("not_xml", "broken XML") from err
    return found
