"""Bar codes and QR codes that an ESC/POS printer draws itself: checked data to command bytes.

Source: Epson ESC/POS command reference, GS k (function B), GS h, GS w, GS H, GS ( k (functions 165 to 181);
GS1 General Specifications 7.9 (check digit); ISO/IEC 15417 (Code 128), 16388 (Code 39), 18004 table 7 (QR capacity).
"""

from devices.codecs.gtin import check_digit, has_check_digit, is_digits
from devices.document import Barcode, Qr
from devices.errors import EncodingError

_CODE39_CHARACTERS = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ -.$/+%")
_EAN_DIGITS = {"EAN13": 13, "EAN8": 8}
_EAN_MODULES = {"EAN13": 113, "EAN8": 81}  # quiet zones included
_QUIET_MODULES = 20
_KIND = {"EAN13": 67, "EAN8": 68, "CODE39": 69, "CODE128": 73}  # m of GS k, function B
_GS_K_BYTES_MAX = 255
_QR_QUIET_MODULES = 8
_QR_MODULE_DOTS_MIN = 2  # smaller ones are not read from thermal paper
# Bytes that versions 1 to 40 hold at error correction level M.
_QR_BYTES_MAX = (
    *(14, 26, 42, 62, 84, 106, 122, 152, 180, 213, 251, 287, 331, 362, 412, 450, 504, 560, 624, 666),
    *(
        711,
        779,
        857,
        911,
        997,
        1059,
        1125,
        1190,
        1264,
        1370,
        1452,
        1538,
        1628,
        1722,
        1809,
        1911,
        1989,
        2099,
        2213,
        2331,
    ),
)
_REALTIME_COMMANDS = (b"\x10\x04", b"\x10\x05", b"\x10\x14")  # obeyed at once, even inside the data of other commands


def encode_barcode(barcode: Barcode, paper_dots: int) -> bytes:
    """Return the commands for one bar code with its text below; raise EncodingError on data the symbology refuses."""
    check_barcode(barcode)
    payload, module_dots = _fitted(barcode, paper_dots)
    setup = bytes((0x1D, 0x68, barcode.height_dots, 0x1D, 0x77, module_dots)) + b"\x1dH\x02\x1df\x00"
    return setup + bytes((0x1D, 0x6B, _KIND[barcode.symbology], len(payload))) + payload


def encode_qr(qr: Qr, paper_dots: int) -> bytes:
    """Return the commands for one QR code (model 2, level M), its modules made smaller when it would not fit."""
    module_dots = fit_qr(qr, paper_dots)
    return b"".join(
        (
            _qr_function(65, b"\x32\x00"),
            _qr_function(67, bytes((module_dots,))),
            _qr_function(69, b"\x31"),
            _qr_function(80, b"0" + qr.data.encode("utf-8")),
            _qr_function(81, b"0"),
        )
    )


def fit_qr(qr: Qr, paper_dots: int) -> int:
    """Return how many dots wide its modules are; raise EncodingError on data that no QR code at level M holds here."""
    if not qr.data or any((char < " " and char not in "\t\n\r") or "\ud800" <= char <= "\udfff" for char in qr.data):
        raise EncodingError(f"QR data {qr.data[:40]!r} is empty or has control characters; remove them")
    payload = qr.data.encode("utf-8")
    version = next((number for number, most in enumerate(_QR_BYTES_MAX, start=1) if len(payload) <= most), None)
    if version is None:
        raise EncodingError(f"QR data has {len(payload)} bytes; at level M at most {_QR_BYTES_MAX[-1]} fit, shorten it")
    module_dots = min(qr.module_dots, paper_dots // (17 + 4 * version + _QR_QUIET_MODULES))
    if module_dots < min(_QR_MODULE_DOTS_MIN, qr.module_dots):
        raise EncodingError(f"QR data of {len(payload)} bytes is too wide for {paper_dots} dots; shorten it")
    return module_dots


def _qr_function(number: int, parameters: bytes) -> bytes:
    length = len(parameters) + 2
    return b"\x1d(k" + length.to_bytes(2, "little") + bytes((0x31, number)) + parameters


def check_barcode(barcode: Barcode) -> None:
    """Raise EncodingError, naming the remedy, on data that the symbology refuses."""
    symbology, content = barcode.symbology, barcode.data
    if symbology in _EAN_DIGITS:
        digits = _EAN_DIGITS[symbology]
        if len(content) != digits or not is_digits(content):
            raise EncodingError(f"{symbology} data {content!r} must be {digits} digits, check digit included")
        if not has_check_digit(content):
            right = check_digit(content[:-1])
            raise EncodingError(f"{symbology} data {content!r} has a wrong check digit; the last digit must be {right}")
        return
    if not content:
        raise EncodingError(f"{symbology} data is empty; leave the bar code out")
    wrong = [char for char in content if not _is_allowed(char, symbology)]
    if wrong:
        remedy = "capital letters or CODE128" if symbology == "CODE39" else "printable ASCII or a QR code"
        raise EncodingError(f"{symbology} data {content!r} has {wrong[0]!r}, which it cannot show; use {remedy}")


def _is_allowed(char: str, symbology: str) -> bool:
    return char in _CODE39_CHARACTERS if symbology == "CODE39" else " " <= char <= "~"


def _fitted(barcode: Barcode, paper_dots: int) -> tuple[bytes, int]:
    """Return payload and module width in dots, the widest of 3, 2 and 1 that fits the paper."""
    content = barcode.data
    if barcode.symbology in _EAN_MODULES:
        candidates = [(content.encode("ascii"), _EAN_MODULES[barcode.symbology])]
    elif barcode.symbology == "CODE39":
        candidates = [(content.encode("ascii"), (len(content) + 2) * 16 - 1 + _QUIET_MODULES)]
    else:
        candidates = _code128_payloads(content)
    for module_dots in (3, 2, 1):
        for payload, modules in candidates:
            if modules * module_dots <= paper_dots and len(payload) <= _GS_K_BYTES_MAX:
                return payload, module_dots
    raise EncodingError(f"{barcode.symbology} data {content!r} is too wide for {paper_dots} dots; shorten it or use QR")


def _code128_payloads(content: str) -> list[tuple[bytes, int]]:
    """Return the ways to say it in GS k with their widths in modules: set B always, set C for an even run of digits."""
    frame_modules = 11 + 11 + 13 + _QUIET_MODULES
    ways = [(b"{B" + content.replace("{", "{{").encode("ascii"), 11 * len(content) + frame_modules)]
    if is_digits(content) and len(content) % 2 == 0:
        pairs = bytes(int(content[place : place + 2]) for place in range(0, len(content), 2))
        if not any(command in pairs for command in _REALTIME_COMMANDS):
            ways.append((b"{C" + pairs, 11 * len(pairs) + frame_modules))
    return ways
