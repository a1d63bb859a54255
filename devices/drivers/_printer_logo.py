"""A shop's logo for its receipts: a PNG file to the dots of a printer, never larger than LOGO_ROWS_MAX rows."""

from pathlib import Path

from devices.codecs.printing.raster import RasterLine
from devices.errors import DeviceError

LOGO_FILE_BYTES_MAX = 1_048_576  # a larger file is not read
LOGO_PIXELS_MAX = 16_000_000  # of the picture in the file; more is not unpacked
LOGO_ROWS_MAX = 400  # 50 mm of paper; a higher picture is made smaller


class LogoError(DeviceError):
    """The logo cannot be read: receipts are printed without it."""

    code = "print_logo"


def read_logo(path: Path, dots: int) -> RasterLine:
    """Return the picture, made smaller to fit `dots` and LOGO_ROWS_MAX, dithered to black; raise LogoError."""
    from PIL import Image

    try:
        if path.stat().st_size > LOGO_FILE_BYTES_MAX:
            raise LogoError(f"{path} is larger than {LOGO_FILE_BYTES_MAX >> 20} MiB: save it smaller")
        with Image.open(path, formats=("PNG",)) as file:
            if file.width * file.height > LOGO_PIXELS_MAX:
                raise LogoError(f"{path} has {file.width} x {file.height} pixels: save it smaller")
            picture = file.convert("RGBA")
    except (OSError, SyntaxError, ValueError) as err:  # SyntaxError: Pillow's word for a broken PNG
        raise LogoError(f"{path} cannot be read as a PNG picture: {err}") from err
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    paper.thumbnail((dots, LOGO_ROWS_MAX))
    ink = paper.convert("L").point(lambda grey: 255 - grey).convert("1")
    return RasterLine((ink.width + 7) // 8, ink.height, ink.tobytes(), ())
