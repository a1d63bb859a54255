"""A line of text drawn as a bitmap, for the characters that a printer's own fonts lack.

Lives here: fonts and drawing. Not here: printer commands (devices.codecs.printing.escpos). Pillow is imported inside
functions and fonts go with the Rasterizer, so that a hub that never meets such a character never pays for either.
The grid is the printer's: a column is `cell_dots` wide, a wide character two columns, a glyph GLYPH_DOTS high.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from devices.codecs.printing.chinese import Encoding, character_columns, text_columns

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

GLYPH_DOTS = 24  # height of font A and of the Chinese font; Epson ESC/POS command reference, ESC M
LINE_DOTS = 30  # default line spacing, ESC 2

# Debian: fonts-noto-cjk, fonts-wqy-zenhei, unifont (both of its homes), then DejaVu for the odd symbol.
FONT_PATHS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/opentype/unifont/unifont.otf",
    "/usr/share/fonts/opentype/unifont/unifont_upper.otf",
    "/usr/share/fonts/truetype/unifont/unifont.ttf",
    "/usr/share/fonts/truetype/unifont/unifont_upper.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
)
# faces of NotoSansCJK: JP KR SC TC HK
_NOTO_FACE: dict[Encoding, int] = {"shift-jis": 0, "ks": 1, "gb18030": 2, "big5": 3, "big5-hkscs": 4, "none": 3}
_BASELINE = 0.88  # of the em, below the top of an ideograph's square (OpenType ideographic em box)
_INK = 112  # grey level from which a dot is printed; below the middle, because thin strokes must survive


@dataclass(frozen=True, slots=True)
class RasterLine:
    """One bit a dot, 1 is ink, rows of `width_bytes` one after another; `missing` got the geta mark: no glyph."""

    width_bytes: int
    height_dots: int
    rows: bytes
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RasterStyle:
    """How a line stands on the paper: `columns` of `cell_dots` each, and the magnification of its characters."""

    columns: int
    cell_dots: int
    bold: bool = False
    width: int = 1
    height: int = 1
    align: Literal["left", "center", "right"] = "left"


class Rasterizer:
    """Fonts opened once for one document."""

    def __init__(self, fonts: list["FreeTypeFont"], encoding: Encoding) -> None:
        assert fonts, "no font: the caller marks missing characters instead"
        self._fonts = fonts
        self._encoding = encoding
        self._notdefs = [bytes(font.getmask("\U0010fffe")) for font in fonts]

    @classmethod
    def open(cls, encoding: Encoding, font_path: str = "") -> Self | None:
        """Open `font_path` and the usual fonts, in this order of preference; None when there is none at all."""
        fonts = list(_open_fonts(encoding, font_path))
        return cls(fonts, encoding) if fonts else None

    def draw(self, text: str, style: RasterStyle) -> RasterLine:
        """Draw one cleaned line; the bitmap is as wide as its alignment needs, at most the columns."""
        from PIL import Image

        columns = min(max(text_columns(text, self._encoding), 1), max(style.columns // style.width, 1))
        strip = Image.new("L", (columns * style.cell_dots, GLYPH_DOTS), 0)
        missing: list[str] = []
        x = 0
        for cluster, cells in self._clusters(text):
            box = self._glyph(cluster, cells * style.cell_dots, missing)
            strip.paste(box, (x, 0))
            x += cells * style.cell_dots
        if style.bold:
            strip = _emboldened(strip)
        strip = strip.resize((strip.width * style.width, strip.height * style.height), Image.Resampling.NEAREST)
        return _packed(strip, style, tuple(dict.fromkeys(missing)))

    def _clusters(self, text: str) -> Iterator[tuple[str, int]]:
        """Yield each character that takes columns, together with the marks that sit on it."""
        cluster, cells = "", 0
        for char in text:
            width = character_columns(char, self._encoding)
            if width and cluster:
                yield cluster, cells or 1
                cluster, cells = "", 0
            cluster, cells = cluster + char, cells + width
        if cluster:
            yield cluster, cells or 1

    def _glyph(self, cluster: str, width_dots: int, missing: list[str]) -> "Image":
        from PIL import Image, ImageDraw

        lacking = [char for char in cluster if self._font_of(char) is None]
        missing.extend(lacking)
        font = self._font_of(cluster[0])
        if font is None:
            return _geta(width_dots)
        drawn = "".join(char for char in cluster if char not in lacking)
        advance = max(round(font.getlength(drawn)), 1)
        box = Image.new("L", (max(advance, width_dots), GLYPH_DOTS), 0)
        x = (box.width - advance) // 2
        ImageDraw.Draw(box).text((x, round(GLYPH_DOTS * _BASELINE)), drawn, fill=255, font=font, anchor="ls")
        return box if box.width == width_dots else box.resize((width_dots, GLYPH_DOTS), Image.Resampling.BILINEAR)

    def _font_of(self, char: str) -> "FreeTypeFont | None":
        if char.isspace():
            return self._fonts[0]
        for font, notdef in zip(self._fonts, self._notdefs, strict=True):
            mask = bytes(font.getmask(char))
            if any(mask) and mask != notdef:
                return font
        return None


def _open_fonts(encoding: Encoding, font_path: str) -> Iterator["FreeTypeFont"]:
    from PIL import ImageFont

    for path in (font_path, *FONT_PATHS):
        if path and Path(path).is_file():
            face = _NOTO_FACE[encoding] if os.path.basename(path).startswith("NotoSansCJK") else 0  # noqa: PTH119
            try:
                yield ImageFont.truetype(path, GLYPH_DOTS, index=face, layout_engine=ImageFont.Layout.BASIC)
            except OSError:
                continue  # not a font after all: the next one may be


def _geta(width_dots: int) -> "Image":
    """The geta mark 〓 without a font: two thick bars, as wide as the missing character's cells."""
    from PIL import Image, ImageDraw

    box = Image.new("L", (width_dots, GLYPH_DOTS), 0)
    for top in (4, 14):
        ImageDraw.Draw(box).rectangle((1, top, width_dots - 3, top + 5), fill=255)
    return box


def _emboldened(strip: "Image") -> "Image":
    from PIL import ImageChops

    return ImageChops.lighter(strip, ImageChops.offset(strip, 1, 0))


def _packed(strip: "Image", style: RasterStyle, missing: tuple[str, ...]) -> RasterLine:
    from PIL import Image

    paper_dots = style.columns * style.cell_dots
    spare = max(paper_dots - strip.width, 0)
    x = {"left": 0, "center": spare // 2, "right": spare}[style.align]
    height_dots = strip.height + LINE_DOTS - GLYPH_DOTS
    line = Image.new("L", (x + strip.width, height_dots), 0)
    line.paste(strip, (x, 0))
    bits = line.point(lambda grey: 255 if grey >= _INK else 0).convert("1", dither=Image.Dither.NONE)
    return RasterLine((line.width + 7) // 8, height_dots, bits.tobytes(), missing)
