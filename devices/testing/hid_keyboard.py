"""A scanner's keyboard as the hub's kernel shows it: characters into HID boot reports, reports into input events.

Written from the other side than devices.codecs.hid_keys, which it never imports: HID Usage Tables 1.5 page 0x07 and HID 1.11
appendix B (reports), drivers/hid/hid-input.c `hid_keyboard` (usage to key code), linux/input.h (events).
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Literal

Layout = Literal["us", "german"]
GroupSeparator = Literal["ctrl", "alt", "f8"]

LEFT_CTRL, LEFT_SHIFT, LEFT_ALT, RIGHT_ALT = 0x01, 0x02, 0x04, 0x40
ENTER, TAB, SPACE, CAPS_LOCK, F8 = 0x28, 0x2B, 0x2C, 0x39, 0x41
PAD_0 = 0x62
DROPPED = struct.pack("llHHi", 0, 0, 0, 3, 0)
SYNCHRONISED = struct.pack("llHHi", 0, 0, 0, 0, 0)

_MODIFIER_KEYS = (29, 42, 56, 125, 97, 54, 100, 126)  # usages 0xE0 to 0xE7
_USAGE_KEYS = (
    dict(
        enumerate(
            [
                *(
                    30,
                    48,
                    46,
                    32,
                    18,
                    33,
                    34,
                    35,
                    23,
                    36,
                    37,
                    38,
                    50,
                    49,
                    24,
                    25,
                    16,
                    19,
                    31,
                    20,
                    22,
                    47,
                    17,
                    45,
                    21,
                    44,
                ),
                *(2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
                *(
                    28,
                    1,
                    14,
                    15,
                    57,
                    12,
                    13,
                    26,
                    27,
                    43,
                    43,
                    39,
                    40,
                    41,
                    51,
                    52,
                    53,
                    58,
                    59,
                    60,
                    61,
                    62,
                    63,
                    64,
                    65,
                    66,
                    67,
                    68,
                ),
            ],
            start=0x04,
        )
    )
    | {0x59 + place: key for place, key in enumerate((79, 80, 81, 75, 76, 77, 71, 72, 73, 82))}
    | {0x64: 86}
)

# usage -> what the key types alone, with Shift, with AltGr; letters and digits are the same rows everywhere
_US_SIGNS = {0x2D: "-_", 0x2E: "=+", 0x2F: "[{", 0x30: "]}", 0x31: "\\|", 0x33: ";:", 0x34: "'\"", 0x35: "`~"} | {
    0x36: ",<", 0x37: ".>", 0x38: "/?", 0x2C: " ",
}  # fmt: skip
_GERMAN_SIGNS = {0x2D: "ß?\\", 0x2F: "üÜ", 0x30: "+*~", 0x32: "#'", 0x33: "öÖ", 0x34: "äÄ", 0x36: ",;", 0x37: ".:"} | {
    0x38: "-_", 0x64: "<>|", 0x14: "qQ@", 0x08: "eE€", 0x10: "mMµ", 0x35: "\0°", 0x2C: " ",
}  # fmt: skip
_DIGITS = {"us": ["!", "@", "#", "$", "%", "^", "&", "*", "(", ")"]}
_DIGITS["german"] = ["!", '"²', "§³", "$", "%", "&", "/{", "([", ")]", "=}"]
_DEAD = {"german": {"´": (0, 0x2E), "`": (LEFT_SHIFT, 0x2E), "^": (0, 0x35)}, "us": {}}

Stroke = tuple[int, int]  # modifiers of a report, and the usage of its key


def strokes(text: str, *, layout: Layout = "us", group_separator: GroupSeparator = "ctrl") -> list[list[Stroke]]:
    """Return for each character the reports that a scanner sends; raise KeyError for one that it has no key for."""
    keys = _keys(layout)
    typed: list[list[Stroke]] = []
    for character in text:
        if character == "\x1d":
            typed.append(_group_separator(group_separator, keys))
        elif character in _DEAD[layout]:
            typed.append([_DEAD[layout][character], (0, SPACE)])
        else:
            typed.append([keys[character]])
    return typed


def alt_strokes(digits: str) -> list[Stroke]:
    """Return the reports of a character by its number on the pad, with Alt held."""
    pad = {digit: PAD_0 if digit == "0" else 0x58 + int(digit) for digit in "0123456789"}
    return [(LEFT_ALT, pad[digit]) for digit in digits]


def input_events(reports: Iterable[Stroke], *, repeats: int = 0) -> Iterator[bytes]:
    """Return the kernel's events of these reports, each pressed and let go; all keys are up at the end.

    A report that has the same modifiers as the one before keeps them down in between. `repeats` auto-repeats each key.
    """
    held = 0
    for modifiers, usage in reports:
        yield from _modifier_events(held, modifiers)
        held = modifiers
        key = _USAGE_KEYS[usage]
        yield _event(4, 4, 0x70000 + usage) + _event(1, key, 1) + SYNCHRONISED
        for _ in range(repeats):
            yield _event(1, key, 2) + SYNCHRONISED
        yield _event(4, 4, 0x70000 + usage) + _event(1, key, 0) + SYNCHRONISED
    yield from _modifier_events(held, 0)


def _keys(layout: Layout) -> dict[str, Stroke]:
    keys: dict[str, Stroke] = {"\r": (0, ENTER), "\t": (0, TAB)}
    for place, letter in enumerate("abcdefghijklmnopqrstuvwxyz"):
        usage = {"y": 0x1D, "z": 0x1C}.get(letter, 4 + place) if layout == "german" else 4 + place
        keys |= {letter: (0, usage), letter.upper(): (LEFT_SHIFT, usage)}
    for place, digit in enumerate("1234567890"):
        keys[digit] = (0, 0x1E + place)
        keys |= dict(zip(_DIGITS[layout][place], ((LEFT_SHIFT, 0x1E + place), (RIGHT_ALT, 0x1E + place)), strict=False))
    for usage, signs in (_US_SIGNS if layout == "us" else _GERMAN_SIGNS).items():
        keys |= dict(zip(signs, ((0, usage), (LEFT_SHIFT, usage), (RIGHT_ALT, usage)), strict=False))
    keys.pop("\0", None)
    return keys


def _group_separator(how: GroupSeparator, keys: dict[str, Stroke]) -> list[Stroke]:
    if how == "alt":
        return alt_strokes("029")
    if how == "f8":
        return [(0, F8)]
    modifiers, usage = keys["]"]
    return [(modifiers | LEFT_CTRL, usage)]


def _modifier_events(before: int, after: int) -> Iterator[bytes]:
    for bit, key in enumerate(_MODIFIER_KEYS):
        if (before ^ after) >> bit & 1:
            yield _event(1, key, after >> bit & 1) + SYNCHRONISED


def _event(kind: int, code: int, value: int) -> bytes:
    return struct.pack("llHHi", 1_700_000_000, 0, kind, code, value)
