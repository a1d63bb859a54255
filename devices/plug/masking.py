"""Masks a trace: whose card, telephone number or tag it was cannot be read from it, how the wire behaved can. Pure.

Every letter becomes another letter and every digit another digit, by a keyed stream of the label itself: the same label is
masked alike within one trace, and in no other. Lengths, cuts, control characters, separators, signs and AIM identifiers stay.
A GTIN keeps its first two digits and gets the check digit of what it has become, so that it is still read as a GTIN; GS1 element
strings keep their application identifiers, dates and measures. Key codes of a scanner that types are treated so, label by label.
Of other devices' lines stays what the section's own options say of them. Counters' pushes: devices.plug.masked_pushes.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from string import ascii_lowercase, ascii_uppercase, digits, hexdigits

from devices.codecs.hid_keys import EV_KEY, INPUT_EVENT, KEY_ENTER, KEY_KPENTER, KEY_TAB, RELEASED

_BOUNDS = re.compile(rb"([\x00-\x1c\x1e\x1f\x7f]+)")  # every control character but GS, which belongs to a label
_AIM = re.compile(rb"\][A-Za-z][0-9A-Za-z]")
_GTIN = re.compile(rb"[0-9]{8}|[0-9]{12,14}")
_GS1_PARTS = re.compile(
    rb"(?P<gtin>0[12][0-9]{14})|(?P<kept>1[1-7][0-9]{6}|20[0-9]{2}|3[1-6][0-9]{8})|(?P<ai>[0-9]{2,4})(?P<rest>[^\x1d]*\x1d?)"
)
_GS1_AIM = (b"]C1", b"]d2", b"]Q3", b"]e0", b"]J1")
_CLASSES = (digits.encode(), ascii_lowercase.encode(), ascii_uppercase.encode(), bytes(range(0x81, 0xFF)))

_HEX = digits + "ABCDEF"
SCHEME_DIGITS = 2  # hex digits that name an EPC's scheme
SGTIN_HEAD_DIGITS = 15  # of 24: scheme, filter, partition, company, article, and two bits of the serial number
Mask = Callable[[str, bytes], str]

_EV_MSC = 4
_KEY_CLASSES = (  # linux/input-event-codes.h: digits, letters, digits of the number pad
    tuple(range(2, 12)),
    (*range(16, 26), *range(30, 39), *range(44, 51)),
    (71, 72, 73, 75, 76, 77, 79, 80, 81, 82),
)


def masked_labels(chunks: Sequence[bytes], salt: bytes, _options: object = None) -> list[bytes]:
    """Return the chunks of a serial scanner, cut where they were cut."""
    parts = _BOUNDS.split(b"".join(chunks))
    whole = b"".join(part if place % 2 else _label(part, salt) for place, part in enumerate(parts))
    return list(_cut(whole, chunks))


def masked_keys(chunks: Sequence[bytes], salt: bytes, _options: object = None) -> list[bytes]:
    """Return the chunks of a scanner that types: `struct input_event`, one behind the other."""
    whole = b"".join(chunks)
    end = len(whole) - len(whole) % INPUT_EVENT.size
    table, labels, out = _keys(salt, 0), 0, bytearray()
    for event in INPUT_EVENT.iter_unpack(whole[:end]):
        seconds, micros, kind, code, value = event
        if kind == EV_KEY:
            if code in (KEY_ENTER, KEY_KPENTER, KEY_TAB) and value == RELEASED:
                labels += 1
                table = _keys(salt, labels)
            code = table.get(code, code)
        elif kind == _EV_MSC:  # it names the key a second time, as the keyboard's own number
            value = 0
        out += INPUT_EVENT.pack(seconds, micros, kind, code, value)
    return list(_cut(bytes(out) + whole[end:], chunks))


def masked_lines(
    chunks: Sequence[bytes], salt: bytes, pattern: re.Pattern[str], *, hidden: Mapping[str, Mask] | None = None
) -> list[bytes]:
    """Return the chunks of a device whose lines `pattern` reads: its groups stay (`hidden` ones are masked their own way), and
    so does what the pattern itself asks for; all else becomes other letters and digits.
    """
    parts = _BOUNDS.split(b"".join(chunks))
    whole = b"".join(
        part if place % 2 else _line(part, salt, pattern, hidden or {}) for place, part in enumerate(parts)
    )
    return list(_cut(whole, chunks))


def masked_words(chunks: Sequence[bytes], salt: bytes, words: Collection[str], *, is_by_byte: bool) -> list[bytes]:
    """Return the chunks of a device that says words of which some are known: these stay."""
    kept = {word.encode("latin-1", "replace") for word in words}
    whole = b"".join(chunks)
    parts = [bytes([each]) for each in whole] if is_by_byte else _BOUNDS.split(whole)
    return list(_cut(b"".join(part if part.strip() in kept else other(part, salt) for part in parts), chunks))


def masked_epc(epc: str, salt: bytes) -> str:
    """Return another tag: of an SGTIN-96 another serial number of the same article, of another scheme another number."""
    head = SGTIN_HEAD_DIGITS if epc.replace(" ", "").startswith("30") else SCHEME_DIGITS
    stream, seen, out = _stream(salt, epc.encode()), 0, ""
    for character in epc:
        seen += character in hexdigits
        is_kept = character not in hexdigits or seen <= head
        out += character if is_kept else _HEX[next(stream) % 16]
    return out


def other(text: bytes, salt: bytes) -> bytes:
    """Return another text of the same classes of characters and the same length; the same text becomes the same."""
    return _other(text, _stream(salt, text))


def _line(line: bytes, salt: bytes, pattern: re.Pattern[str], hidden: Mapping[str, Mask]) -> bytes:
    text = line.decode("latin-1")
    begin, end = len(text) - len(text.lstrip()), len(text.rstrip())
    match = pattern.fullmatch(text[begin:end])
    if match is None:
        return other(line, salt)
    named = [(begin + match.start(name), begin + match.end(name), name) for name in match.groupdict() if match[name]]
    out = list(text)
    for first, last, name in named:
        if name in hidden:
            out[first:last] = hidden[name](text[first:last], salt)
    inside = {place for first, last, _ in named for place in range(first, last)}
    for place, drawn in enumerate(other(line, salt).decode("latin-1")):
        if place in inside or drawn == out[place]:
            continue
        tried = [*out[:place], drawn, *out[place + 1 :]]
        again = pattern.fullmatch("".join(tried)[begin:end])
        if again is not None and all(again.span(name) == match.span(name) for name in match.groupdict()):
            out = tried
    return "".join(out).encode("latin-1")


def _label(label: bytes, salt: bytes) -> bytes:
    if not label:
        return label
    stream = _stream(salt, label)
    aim = _AIM.match(label)
    head, body = (aim[0], label[len(aim[0]) :]) if aim else (b"", label)
    if _GTIN.fullmatch(body):
        return head + _gtin(body, stream)
    if head in _GS1_AIM:
        return head + _gs1(body, stream)
    return head + _other(body, stream)


def _gtin(gtin: bytes, stream: Iterator[int]) -> bytes:
    is_good = _check_digit(gtin[:-1]) == gtin[-1:]
    inner = gtin[:2] + _other(gtin[2:-1], stream) if len(gtin) > 8 else _other(gtin[:-1], stream)
    if is_good:
        return inner + _check_digit(inner)
    wrong = (int(_check_digit(inner)) + 1 + next(stream) % 9) % 10
    return inner + str(wrong).encode()


def _gs1(body: bytes, stream: Iterator[int]) -> bytes:
    def part(found: re.Match[bytes]) -> bytes:
        if found["gtin"]:
            return found["gtin"][:2] + _gtin(found["gtin"][2:], stream)
        return found["kept"] or found["ai"] + _other(found["rest"], stream)

    out, at = b"", 0
    while (found := _GS1_PARTS.match(body, at)) is not None:
        out, at = out + part(found), found.end()
    return out + _other(body[at:], stream)


def _other(text: bytes, stream: Iterator[int]) -> bytes:
    try:
        characters = text.decode()
    except UnicodeDecodeError:  # another encoding, or noise
        return bytes(_another(each, next(stream)) for each in text)
    return b"".join(_another_character(each.encode(), stream) for each in characters)


def _another_character(character: bytes, stream: Iterator[int]) -> bytes:
    """Return another character of as many bytes of UTF-8."""
    drawn = next(stream)
    match len(character):
        case 1:
            return bytes([_another(character[0], drawn)])
        case 2:
            return chr(0xC0 + drawn % 0x30).encode()
        case 3:
            return chr(0x4E00 + (drawn << 6 | next(stream) >> 2)).encode()
        case _:
            return chr(0x20000 + (drawn << 6 | next(stream) >> 2)).encode()


def _another(byte: int, drawn: int) -> int:
    for members in _CLASSES:
        if byte in members:
            return members[drawn % len(members)]
    return byte


def _check_digit(inner: bytes) -> bytes:
    total = sum(int(chr(each)) * (3 if place % 2 == 0 else 1) for place, each in enumerate(reversed(inner)))
    return str(-total % 10).encode()


def _keys(salt: bytes, label: int) -> dict[int, int]:
    """Return another key for each digit and letter, for the label of this number."""
    stream = _stream(salt, label.to_bytes(8))
    table: dict[int, int] = {}
    for members in _KEY_CLASSES:
        shuffled = sorted(members, key=lambda _: next(stream) << 8 | next(stream))
        table |= dict(zip(members, shuffled, strict=True))
    return table


def _stream(salt: bytes, label: bytes) -> Iterator[int]:
    """Yield bytes that only the salt and the label determine; the salt is of one trace and is kept nowhere."""
    block = 0
    while True:
        yield from blake2b(block.to_bytes(8) + label, key=salt).digest()
        block += 1


def _cut(whole: bytes, as_: Sequence[bytes]) -> Iterator[bytes]:
    at = 0
    for chunk in as_:
        yield whole[at : at + len(chunk)]
        at += len(chunk)
