"""Masks what people counters push: JSON, Hikvision's XML; whole or damaged, the length stays. Pure.

Kept are the names of fields, numbers, times, offsets from UTC, the words that a form is read by, and a LoRaWAN counter's own
bytes: they say how many passed, not who. Every other text (serial numbers, addresses, names that somebody gave, whatever a camera
adds) becomes another one of the same length, the same text the same in one trace. Around an event of a camera, where it sends a
picture, nothing is left at all.
"""

import re
from collections.abc import Collection

from devices.plug.masking import other

_TEXT = re.compile(rb'"((?:[^"\\]|\\.)*)("(?:\s*:)?|\Z)', re.DOTALL)  # the last one may be cut
_FIELD = re.compile(rb"[A-Za-z_][A-Za-z0-9_.-]{0,39}")
_TIME = re.compile(rb"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?")
_OFFSET = re.compile(rb"(UTC|GMT)[+-]\d{1,2}:?\d\d(?!\d)")  # a name of the zone may stand behind it
_NUMBER = re.compile(rb"-?\d{1,6}")  # a count that is written as a text; a telephone number is longer
_BYTES_FIELDS = frozenset({b"data", b"frm_payload"})  # of an uplink, base64
_EVENT = re.compile(rb"<EventNotificationAlert.*?(</EventNotificationAlert>|\Z)", re.DOTALL)
_LEAF = re.compile(rb">([^<]*)")
_ATTRIBUTE = re.compile(rb"=\"[^\"<]*\"|='[^'<]*'")
_XML_WORDS = frozenset({b"PeopleCounting", b"realTime", b"timeRange", b"active", b"inactive"})


def masked_push(push: bytes, salt: bytes, *, words: Collection[str]) -> bytes:
    """Return a push of which nobody and no device is known; `words` are those that its form is read by."""
    if (event := _EVENT.search(push)) is not None:
        begin, end = event.span()
        return b"." * begin + _xml(event[0], salt) + b"." * (len(push) - end)
    if push.lstrip()[:1] in (b"{", b"["):
        return _json(push, salt, {word.encode() for word in words})
    return other(push, salt)


def _json(push: bytes, salt: bytes, words: Collection[bytes]) -> bytes:
    field = b""

    def text(found: re.Match[bytes]) -> bytes:
        nonlocal field
        said, end = found[1], found[2]
        if end.endswith(b":"):
            field = said
            return found[0] if _FIELD.fullmatch(said) else b'"' + _covered(said, salt) + end
        if field in _BYTES_FIELDS or said in words or _is_plain(said):
            return found[0]
        return b'"' + _covered(said, salt) + end

    return _TEXT.sub(text, push)


def _xml(event: bytes, salt: bytes) -> bytes:
    def leaf(found: re.Match[bytes]) -> bytes:
        said = found[1].strip()
        return found[0] if said in _XML_WORDS or _is_plain(said) else b">" + other(found[1], salt)

    bare = _ATTRIBUTE.sub(lambda found: found[0][:2] + b"." * (len(found[0]) - 3) + found[0][-1:], event)
    return _LEAF.sub(leaf, bare)


def _is_plain(said: bytes) -> bool:
    return any(each.fullmatch(said) for each in (_TIME, _NUMBER))


def _covered(said: bytes, salt: bytes) -> bytes:
    """Return another text; one with escapes has none of them afterwards, and the same length."""
    offset = _OFFSET.match(said)
    kept = offset[0] if offset else b""
    return kept + other(said[len(kept) :].replace(b"\\", b"/"), salt)
