"""The bars of linear bar codes, for pictures of receipts.

Source: GS1 General Specifications 5.2 (EAN), ISO/IEC 15417 (Code 128), ISO/IEC 16388 (Code 39). Bars are a string of
modules, "1" dark and "0" light, quiet zones left out.
"""

_EAN_L = ("0001101", "0011001", "0010011", "0111101", "0100011", "0110001", "0101111", "0111011", "0110111", "0001011")
_EAN_PARITY = ("LLLLLL", "LLGLGG", "LLGGLG", "LLGGGL", "LGLLGG", "LGGLLG", "LGGGLL", "LGLGLG", "LGLGGL", "LGGLGL")

# Widths of bars and spaces by value, 0 to 105 (103 to 105 start sets A, B and C): six digits and a space each.
_CODE128 = (
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 "
    "112232 122132 122231 113222 123122 123221 223211 221132 221231 213212 223112 312131 "
    "311222 321122 321221 312212 322112 322211 212123 212321 232121 111323 131123 131321 "
    "112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 "
    "313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 "
    "314111 221411 431111 111224 111422 121124 121421 141122 141221 112214 112412 122114 "
    "122411 142112 142211 241211 221114 413111 241112 134111 111242 121142 121241 114212 "
    "124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 "
    "114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 "
)
_CODE128_STOP = "2331112"
_START_B, _START_C, _CODE128_MODULO = 104, 105, 103

_CODE39_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%*"
# Narrow (n) and wide (w) elements, bar first, in the order of _CODE39_CHARACTERS: nine letters and a space each.
_CODE39 = (
    "nnnwwnwnn wnnwnnnnw nnwwnnnnw wnwwnnnnn nnnwwnnnw wnnwwnnnn nnwwwnnnn nnnwnnwnw wnnwnnwnn nnwwnnwnn "
    "wnnnnwnnw nnwnnwnnw wnwnnwnnn nnnnwwnnw wnnnwwnnn nnwnwwnnn nnnnnwwnw wnnnnwwnn nnwnnwwnn nnnnwwwnn "
    "wnnnnnnww nnwnnnnww wnwnnnnwn nnnnwnnww wnnnwnnwn nnwnwnnwn nnnnnnwww wnnnnnwwn nnwnnnwwn nnnnwnwwn "
    "wwnnnnnnw nwwnnnnnw wwwnnnnnn nwnnwnnnw wwnnwnnnn nwwnwnnnn nwnnnnwnw wwnnnnwnn nwwnnnwnn nwnwnwnnn "
    "nwnwnnnwn nwnnnwnwn nnnwnwnwn nwnnwnwnn "
)


def bars(symbology: str, label: str) -> str | None:
    """Return the modules of a bar code; None for a symbology or a label that is not drawn here."""
    if symbology in ("EAN13", "EAN8") and label.isascii() and label.isdigit() and len(label) in (8, 13):
        return _ean(label)
    if symbology == "CODE128" and label and all(" " <= char <= "~" for char in label):
        return _code128(label)
    if symbology == "CODE39" and label and all(char in _CODE39_CHARACTERS for char in label):
        return _code39(label)
    return None


def _ean(digits: str) -> str:
    if len(digits) == 13:
        parity, left, right = _EAN_PARITY[int(digits[0])], digits[1:7], digits[7:]
    else:
        parity, left, right = "LLLL", digits[:4], digits[4:]
    drawn_left = "".join(_ean_left(int(digit), kind) for digit, kind in zip(left, parity, strict=True))
    drawn_right = "".join(_inverted(_EAN_L[int(digit)]) for digit in right)
    return f"101{drawn_left}01010{drawn_right}101"


def _ean_left(digit: int, kind: str) -> str:
    return _EAN_L[digit] if kind == "L" else _inverted(_EAN_L[digit])[::-1]


def _inverted(modules: str) -> str:
    return modules.translate({ord("0"): "1", ord("1"): "0"})


def _code128(label: str) -> str:
    if label.isdigit() and len(label) % 2 == 0:
        values = [_START_C, *(int(label[place : place + 2]) for place in range(0, len(label), 2))]
    else:
        values = [_START_B, *(ord(char) - 32 for char in label)]
    check = (values[0] + sum(place * value for place, value in enumerate(values))) % _CODE128_MODULO
    return "".join(_widths(_CODE128[value * 7 : value * 7 + 6]) for value in [*values, check]) + _widths(_CODE128_STOP)


def _widths(widths: str) -> str:
    return "".join("10"[place % 2] * int(width) for place, width in enumerate(widths))


def _code39(label: str) -> str:
    drawn = []
    for char in f"*{label.strip('*')}*":
        place = _CODE39_CHARACTERS.index(char) * 10
        elements = _CODE39[place : place + 9]
        drawn.append(_widths("".join("3" if element == "w" else "1" for element in elements)))
    return "0".join(drawn)
