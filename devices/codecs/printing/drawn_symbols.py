"""Bar codes and QR codes drawn as pictures, for printers that cannot draw them.

Source: GS1 General Specifications 5.2 (EAN), ISO/IEC 15417 (Code 128), 16388 (Code 39); QR by segno. Sizes are those of
devices.codecs.printing.escpos_symbols, which also judges the data.
"""

import io

from devices.codecs.gtin import is_digits
from devices.codecs.printing.escpos_symbols import check_barcode, fit_qr
from devices.codecs.printing.raster import RasterLine
from devices.document import Barcode, Qr
from devices.errors import EncodingError

_QUIET_MODULES = 10
# Modules of the digits 0 to 9 as bits, set A; set C is its complement, set B the mirrored complement.
_EAN_A = (0x0D, 0x19, 0x13, 0x3D, 0x23, 0x31, 0x2F, 0x3B, 0x37, 0x0B)
_EAN_SETS = (0b000000, 0b001011, 0b001101, 0b001110, 0b010011, 0b011001, 0b011100, 0b010101, 0b010110, 0b011010)
# Eleven modules a value as hexadecimal bits, 0 to 105; 104 starts set B, 105 set C.
_CODE128 = [
    int(code, 16)
    for code in [
        "6CC",
        "66C",
        "666",
        "498",
        "48C",
        "44C",
        "4C8",
        "4C4",
        "464",
        "648",
        "644",
        "624",
        "59C",
        "4DC",
        "4CE",
        "5CC",
        "4EC",
        "4E6",
        "672",
        "65C",
        "64E",
        "6E4",
        "674",
        "76E",
        "74C",
        "72C",
        "726",
        "764",
        "734",
        "732",
        "6D8",
        "6C6",
        "636",
        "518",
        "458",
        "446",
        "588",
        "468",
        "462",
        "688",
        "628",
        "622",
        "5B8",
        "58E",
        "46E",
        "5D8",
        "5C6",
        "476",
        "776",
        "68E",
        "62E",
        "6E8",
        "6E2",
        "6EE",
        "758",
        "746",
        "716",
        "768",
        "762",
        "71A",
        "77A",
        "642",
        "78A",
        "530",
        "50C",
        "4B0",
        "486",
        "42C",
        "426",
        "590",
        "584",
        "4D0",
        "4C2",
        "434",
        "432",
        "612",
        "650",
        "7BA",
        "614",
        "47A",
        "53C",
        "4BC",
        "49E",
        "5E4",
        "4F4",
        "4F2",
        "7A4",
        "794",
        "792",
        "6DE",
        "6F6",
        "7B6",
        "578",
        "51E",
        "45E",
        "5E8",
        "5E2",
        "7A8",
        "7A2",
        "5DE",
        "5EE",
        "75E",
        "7AE",
        "684",
        "690",
        "69C",
    ]
]
_CODE128_STOP = 0x18EB
_START_B, _START_C, _CODE128_MODULO = 104, 105, 103
_CODE39_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%*"
# Nine elements a character, bar first; a set bit is a wide one. Octal, in the order of _CODE39_CHARACTERS.
_CODE39 = [
    int(code, 8)
    for code in [
        "064",
        "441",
        "141",
        "540",
        "061",
        "460",
        "160",
        "045",
        "444",
        "144",
        "411",
        "111",
        "510",
        "031",
        "430",
        "130",
        "015",
        "414",
        "114",
        "034",
        "403",
        "103",
        "502",
        "023",
        "422",
        "122",
        "007",
        "406",
        "106",
        "026",
        "601",
        "301",
        "700",
        "221",
        "620",
        "320",
        "205",
        "604",
        "304",
        "250",
        "242",
        "212",
        "052",
        "224",
    ]
]


def draw_barcode(barcode: Barcode, paper_dots: int) -> RasterLine:
    """Return the bars of a bar code without its text; raise EncodingError on data that the symbology refuses."""
    check_barcode(barcode)
    modules = _quiet(_modules(barcode))
    module_dots = next((width for width in (3, 2, 1) if len(modules) * width <= paper_dots), 0)
    if not module_dots:
        raise EncodingError(
            f"{barcode.symbology} data {barcode.data!r} is too wide for {paper_dots} dots; shorten it or use QR"
        )
    row = _row("".join(module * module_dots for module in modules))
    return RasterLine(len(row), barcode.height_dots, row * barcode.height_dots, ())


def draw_qr(qr: Qr, paper_dots: int) -> RasterLine:
    """Return a QR code (level M) as a picture; raise EncodingError on data that does not fit."""
    import segno  # here: a printer that draws its codes needs none of it

    module_dots = fit_qr(qr, paper_dots)
    drawn = segno.make_qr(qr.data.encode(), error="m", boost_error=False)
    rows = bytearray()
    width_bytes = height = 0
    for matrix_row in drawn.matrix_iter(border=4):
        row = _row("".join(("1" if module else "0") * module_dots for module in matrix_row))
        rows += row * module_dots
        width_bytes, height = len(row), height + module_dots
    return RasterLine(width_bytes, height, bytes(rows), ())


def picture_png(picture: RasterLine) -> bytes:
    """Return a picture as a PNG file of one bit a dot, ink black."""
    from PIL import Image

    image = Image.frombytes("1", (picture.width_bytes * 8, picture.height_dots), picture.rows)
    file = io.BytesIO()
    image.point(lambda dot: 255 - dot).save(file, "PNG", optimize=True)
    return file.getvalue()


def _quiet(modules: str) -> str:
    return "0" * _QUIET_MODULES + modules + "0" * _QUIET_MODULES


def _row(modules: str) -> bytes:
    width_bytes = (len(modules) + 7) // 8
    return int(modules.ljust(width_bytes * 8, "0"), 2).to_bytes(width_bytes, "big")


def _modules(barcode: Barcode) -> str:
    if barcode.symbology == "CODE39":
        return "0".join(_code39(char) for char in f"*{barcode.data}*")
    return _code128(barcode.data) if barcode.symbology == "CODE128" else _ean(barcode.data)


def _ean(digits: str) -> str:
    sets = _EAN_SETS[int(digits[0])] if len(digits) == 13 else 0
    half = len(digits) // 2
    left, right = digits[-2 * half : -half], digits[-half:]
    drawn_left = "".join(
        _ean_left(int(digit), is_b=bool(sets >> half - 1 - place & 1)) for place, digit in enumerate(left)
    )
    drawn_right = "".join(f"{_EAN_A[int(digit)] ^ 0x7F:07b}" for digit in right)
    return f"101{drawn_left}01010{drawn_right}101"


def _ean_left(digit: int, *, is_b: bool) -> str:
    return f"{_EAN_A[digit] ^ 0x7F:07b}"[::-1] if is_b else f"{_EAN_A[digit]:07b}"


def _code128(content: str) -> str:
    if is_digits(content) and len(content) % 2 == 0:
        values = [_START_C, *(int(content[place : place + 2]) for place in range(0, len(content), 2))]
    else:
        values = [_START_B, *(ord(char) - 32 for char in content)]
    check = (values[0] + sum(place * value for place, value in enumerate(values))) % _CODE128_MODULO
    return "".join(f"{_CODE128[value]:011b}" for value in (*values, check)) + f"{_CODE128_STOP:013b}"


def _code39(char: str) -> str:
    wide = _CODE39[_CODE39_CHARACTERS.index(char)]
    return "".join(("1", "0")[place % 2] * (3 if wide >> 8 - place & 1 else 1) for place in range(9))
