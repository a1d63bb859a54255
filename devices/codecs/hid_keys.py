"""What a scanner types: bytes of Linux input events into labels. Pure: no file, no clock, no evdev; the same events give the
same labels however they are cut into chunks. Where a label ends is labels.py's.

Events: linux/input.h (`struct input_event`), linux/input-event-codes.h; SYN_DROPPED: kernel, Documentation/input/event-codes.rst.
Layouts: ANSI INCITS 154 (US), DIN 2137 T1 (German). How scanners send a character that has no key, such as GS of GS1 data:

    Ctrl and @ A-Z [ \\ ] ^ _                     the control character: Ctrl+] is GS
    Alt down, digits on the number pad, Alt up   the character of this number, as in Windows: 029 is GS
    F8, where the scanner is set to it           GS

    what happens                              what becomes of the label
    a key is held down (auto-repeat)          nothing: it was typed once
    SYN_DROPPED: the kernel lost events       refused (cut) up to its suffix or a silence; all keys count as released
    a key that types nothing in the layout    refused (not_text) up to its suffix or a silence
"""

import struct
import unicodedata
from collections.abc import Iterator
from enum import Enum
from typing import Final, Literal

from devices.codecs.labels import LABEL_MAX_BYTES, LabelFramer, Refusal

INPUT_EVENT: Final = struct.Struct("llHHi")  # seconds, microseconds, type, code, value: in this machine's own sizes
EV_SYN, EV_KEY = 0, 1
SYN_REPORT, SYN_DROPPED = 0, 3
RELEASED, PRESSED = 0, 1
KEY_TAB, KEY_ENTER, KEY_KPENTER, KEY_SPACE, KEY_CAPSLOCK, KEY_NUMLOCK, KEY_SCROLLLOCK = 15, 28, 96, 57, 58, 69, 70
KEY_LEFTCTRL, KEY_RIGHTCTRL, KEY_LEFTSHIFT, KEY_RIGHTSHIFT, KEY_LEFTALT, KEY_RIGHTALT = 29, 97, 42, 54, 56, 100
KEY_LEFTMETA, KEY_RIGHTMETA = 125, 126
KEY_RIGHTBRACE, KEY_F8 = 27, 66
GROUP_SEPARATOR = "\x1d"

Layout = Literal["us", "german"]
Suffix = Literal["enter", "tab", "none"]


class Lost(Enum):
    """Why a label cannot be whole any more."""

    DROPPED = "dropped"
    UNKNOWN_KEY = "unknown_key"


_ALT_DIGITS_MAX = 7  # 1114111 is the last character there is
_FRAMES = {"enter": "cr_or_lf", "tab": "tab", "none": "none"}
_NUMBER_PAD = {82: "0", 79: "1", 80: "2", 81: "3", 75: "4", 76: "5", 77: "6", 71: "7", 72: "8", 73: "9"}
_PAD_SIGNS = {55: "*", 74: "-", 78: "+", 83: ".", 98: "/"}
_CTRL = frozenset({KEY_LEFTCTRL, KEY_RIGHTCTRL})
_SHIFT = frozenset({KEY_LEFTSHIFT, KEY_RIGHTSHIFT})
_ALT = frozenset({KEY_LEFTALT, KEY_RIGHTALT})
_HELD = _CTRL | _SHIFT | _ALT
_SILENT = frozenset({KEY_NUMLOCK, KEY_SCROLLLOCK, KEY_LEFTMETA, KEY_RIGHTMETA})
_DEAD = {"\u0301": "´", "\u0300": "`", "\u0302": "^"}  # typed before the letter that carries them, or before a space


def _keys(*rows: tuple[int, str]) -> dict[int, str]:
    return {first + place: character for first, row in rows for place, character in enumerate(row) if character != " "}


_US = (
    _keys((2, "1234567890-="), (16, "qwertyuiop[]"), (30, "asdfghjkl;'`"), (43, "\\zxcvbnm,./"), (86, "\\")),
    _keys((2, "!@#$%^&*()_+"), (16, "QWERTYUIOP{}"), (30, 'ASDFGHJKL:"~'), (43, "|ZXCVBNM<>?"), (86, "|")),
    dict[int, str](),
)
_GERMAN = (
    _keys((2, "1234567890ß\u0301"), (16, "qwertzuiopü+"), (30, "asdfghjklöä\u0302"), (43, "#yxcvbnm,.-"), (86, "<")),
    _keys((2, '!"§$%&/()=?\u0300'), (16, "QWERTZUIOPÜ*"), (30, "ASDFGHJKLÖÄ°"), (43, "'YXCVBNM;:_"), (86, ">")),
    _keys((3, "²³   {[]}\\"), (16, "@ €"), (27, "~"), (50, "µ"), (86, "|")),
)
_LAYOUTS = {"us": _US, "german": _GERMAN}
_OEM_PAGES = {"us": "cp437", "german": "cp850"}


class HidLabels:
    """The labels of one scanner. Holds at most the bytes of one unfinished label and of one unfinished event."""

    def __init__(
        self,
        layout: Layout = "us",
        *,
        suffix: Suffix = "enter",
        f8_is_gs: bool = False,
        is_caps: bool = False,
        label_max: int = LABEL_MAX_BYTES,
    ) -> None:
        self._typed = KeyDecoder(layout, f8_is_gs=f8_is_gs, is_caps=is_caps)
        self._framer = LabelFramer(_FRAMES[suffix], label_max=label_max)
        self._layout = layout
        self._rest = b""

    @property
    def is_partial(self) -> bool:
        """Say whether a label has begun that is not finished."""
        return self._framer.is_partial

    def feed(self, chunk: bytes) -> list[str | Refusal]:
        """Return the labels and refusals that end in these events."""
        found: list[str | Refusal] = []
        for kind, code, value in self._events(chunk):
            said = self._typed.take(kind, code, value)
            if said is Lost.DROPPED:
                found += self._framer.tear(Refusal("cut", "the kernel dropped events (SYN_DROPPED)"))
            elif said is Lost.UNKNOWN_KEY:
                found += self._framer.tear(Refusal("not_text", f"key {code} types nothing in layout {self._layout}"))
            elif said:
                found += self._framer.feed(said.encode())
        return found

    def flush(self) -> list[str | Refusal]:
        """Return what silence makes of the unfinished label, and begin anew; an unfinished event stays."""
        return self._framer.feed(self._typed.let_go().encode()) + self._framer.flush()

    def _events(self, chunk: bytes) -> Iterator[tuple[int, int, int]]:
        received = self._rest + chunk
        whole = len(received) - len(received) % INPUT_EVENT.size
        self._rest = received[whole:]
        for _, _, kind, code, value in INPUT_EVENT.iter_unpack(received[:whole]):
            yield kind, code, value


class KeyDecoder:
    """Turns events into text, one at a time. Knows which keys are held, Caps Lock, a dead key, and digits typed with Alt."""

    def __init__(self, layout: Layout, *, f8_is_gs: bool = False, is_caps: bool = False) -> None:
        self._layout = layout
        self._plain, self._shifted, self._alt_graph = _LAYOUTS[layout]
        self._f8_is_gs = f8_is_gs
        self._was_caps = is_caps
        self._is_dropping = False
        self._held: set[int] = set()
        self._is_caps = is_caps
        self._dead = self._alt_digits = ""

    def take(self, kind: int, code: int, value: int) -> str | Lost:
        """Return what an event types, mostly nothing, or why the label cannot be whole."""
        if kind == EV_SYN:
            return self._synchronise(code)
        if self._is_dropping or kind != EV_KEY or value not in (RELEASED, PRESSED):
            return ""
        if code in _HELD:
            return self._hold(code, is_down=value == PRESSED)
        return self._press(code) if value == PRESSED else ""

    def let_go(self) -> str:
        """Release all keys; return what a dead key leaves behind."""
        left = _DEAD.get(self._dead, "")
        self._held.clear()
        self._dead = self._alt_digits = ""
        return left

    def _synchronise(self, code: int) -> str | Lost:
        """Skip what follows SYN_DROPPED up to the next SYN_REPORT. A scanner begins each label with no key held."""
        if code == SYN_DROPPED:
            self._is_dropping = True
            self._is_caps = self._was_caps
            self.let_go()
            return Lost.DROPPED
        if code == SYN_REPORT:
            self._is_dropping = False
        return ""

    def _hold(self, code: int, *, is_down: bool) -> str | Lost:
        if is_down:
            self._held.add(code)
            return ""
        self._held.discard(code)
        if code not in _ALT or not self._alt_digits:
            return ""
        digits, self._alt_digits = self._alt_digits, ""
        return self._compose(_numbered(digits, _OEM_PAGES[self._layout]))

    def _press(self, code: int) -> str | Lost:
        if code == KEY_CAPSLOCK:
            self._is_caps = not self._is_caps
            return ""
        if code in _SILENT:
            return ""
        if code in _NUMBER_PAD and self._held & _ALT:
            self._alt_digits += _NUMBER_PAD[code] if len(self._alt_digits) <= _ALT_DIGITS_MAX else ""
            return ""
        if code in (KEY_ENTER, KEY_KPENTER):
            return self._compose("\r")
        if code == KEY_TAB:
            return self._compose("\t")
        if code == KEY_F8 and self._f8_is_gs:
            return self._compose(GROUP_SEPARATOR)
        return self._compose(self._character(code))

    def _character(self, code: int) -> str:
        """Return the character of a key and the keys held with it, "" where it has none."""
        if code == KEY_SPACE:
            return " "
        pad = _NUMBER_PAD.get(code) or _PAD_SIGNS.get(code)
        if pad:
            return pad
        has_ctrl = bool(self._held & _CTRL)
        if self._alt_graph and (KEY_RIGHTALT in self._held or (has_ctrl and KEY_LEFTALT in self._held)):
            typed = self._alt_graph.get(code, "")
            return _control(typed) or typed if has_ctrl and KEY_RIGHTALT in self._held else typed
        if self._held & _ALT:
            return ""
        if has_ctrl:  # many scanners press the US key of a control character in every layout
            return (
                _control(self._plain.get(code, "")) or _control(_US[0].get(code, "")) or _control(_US[1].get(code, ""))
            )
        plain, shifted = self._plain.get(code, ""), self._shifted.get(code, "")
        has_case = plain.upper() == shifted
        return shifted if bool(self._held & _SHIFT) != (self._is_caps and has_case) else plain

    def _compose(self, typed: str) -> str | Lost:
        """Put a dead key on the letter that follows it."""
        dead, self._dead = self._dead, ""
        if not typed:
            return Lost.UNKNOWN_KEY
        if not dead:
            if typed in _DEAD:
                self._dead = typed
                return ""
            return typed
        if typed in (" ", dead):
            return _DEAD[dead]
        if typed in _DEAD:
            self._dead = typed
            return _DEAD[dead]
        together = unicodedata.normalize("NFC", typed + dead)
        return together if len(together) == 1 else _DEAD[dead] + typed


def _control(typed: str) -> str:
    """Return the control character that Ctrl makes of a letter or one of @ [ \\ ] ^ _, else ""."""
    upper = typed.upper()
    return chr(ord(upper) - 64) if len(upper) == 1 and "@" <= upper <= "_" else ""


def _numbered(digits: str, oem_page: str) -> str:
    """Return the character of an Alt number: Windows-1252 with a leading zero, else the old code page; "" for none."""
    number = int(digits)
    if number > 255:
        is_character = len(digits) <= _ALT_DIGITS_MAX and number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF
        return chr(number) if is_character else ""
    if number < 128:
        return chr(number)
    return bytes([number]).decode("cp1252" if digits.startswith("0") else oem_page, errors="ignore")
