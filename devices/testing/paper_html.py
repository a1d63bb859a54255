"""Printed paper as an HTML fragment: what a person would hold in the hand, for the console, the demo and test reports.

A pure function from Paper to text. Every column is a grid cell of one `ch`-like unit, so that Chinese takes exactly two.
The fragment carries its own style under the class `paper`; text is escaped; pictures are inline, nothing is fetched.
"""

import struct
import zlib
from base64 import b64encode
from html import escape

from devices.testing.bars import bars
from devices.testing.paper import (
    PAPER_COLUMNS,
    Paper,
    PaperAlign,
    PaperBarcode,
    PaperCut,
    PaperElement,
    PaperFeed,
    PaperImage,
    PaperLine,
    PaperPulse,
    PaperQr,
    PaperSymbol,
    Run,
    StatusRequest,
    UnknownCommand,
)

COLUMN_PX = 8  # of a column on the screen
DOTS_PER_COLUMN = 12  # of a column on the paper, font A

_LINE_PX = 20
_PX_PER_DOT = COLUMN_PX / DOTS_PER_COLUMN
_STYLE = (
    ".paper{background:#fffef8;color:#111;padding:16px;box-shadow:0 1px 6px #0005;font:14px/20px monospace;"
    "box-sizing:content-box;overflow:hidden}"
    ".paper p{margin:0;white-space:pre;display:flex;align-items:flex-end;min-height:20px}"
    ".paper .left{justify-content:flex-start}.paper .center{justify-content:center}"
    ".paper .right{justify-content:flex-end}"
    ".paper i{font-style:normal;display:inline-block;text-align:center;transform-origin:0 100%}"
    ".paper b{font-weight:700}.paper u{text-decoration:underline}.paper .inverted{background:#111;color:#fffef8}"
    ".paper figure{margin:2px 0;display:flex;flex-direction:column}"
    ".paper figure.left{align-items:flex-start}.paper figure.center{align-items:center}"
    ".paper figure.right{align-items:flex-end}.paper img{image-rendering:pixelated}"
    ".paper hr{border:0;border-top:1px dashed #888;margin:12px -16px}"
    ".paper small{color:#777}"
)


def paper_html(paper: Paper, columns: int = PAPER_COLUMNS) -> str:
    """Return one <div class="paper">, `columns` of font A wide."""
    body = "".join(_element(element) for element in paper.elements)
    return f'<div class="paper" style="width:{columns * COLUMN_PX}px"><style>{_STYLE}</style>{body}</div>'


def _element(element: PaperElement) -> str:
    match element:
        case PaperLine():
            return f'<p class="{element.align}">{"".join(_run(run) for run in element.runs)}</p>'
        case PaperBarcode():
            return _barcode(element)
        case PaperQr():
            return _figure(_qr_svg(element), element.align)
        case PaperSymbol():
            return _figure(f"<small>[{escape(element.kind)}]</small>", element.align)
        case PaperImage():
            return _figure(_image(element), element.align)
        case PaperFeed():
            return f'<p style="height:{element.lines * _LINE_PX + round(element.dots * _PX_PER_DOT)}px"></p>'
        case PaperCut():
            return '<hr title="cut">'
        case PaperPulse():
            return f'<p class="right"><small>⏏ drawer (pin {element.pin})</small></p>'
        case UnknownCommand():
            return f"<p><small>unknown bytes {element.code[:16].hex(' ')}</small></p>"
        case StatusRequest():
            return ""


def _run(run: Run) -> str:
    html = "".join(_cell(char, run) for char in run.text)
    if run.underline:
        html = f"<u>{html}</u>"
    if run.bold:
        html = f"<b>{html}</b>"
    return f'<span class="inverted">{html}</span>' if run.inverted else html


def _cell(char: str, run: Run) -> str:
    """One character in its box; the box has the magnified size, the glyph inside is stretched as a printer does."""
    is_wide = char > "~" and run.columns > len(run.text)  # multi-byte characters take two columns, all of them
    width_px = COLUMN_PX * (2 if is_wide else 1)
    glyph = f'<i style="width:{width_px}px'
    if (run.width, run.height) == (1, 1):
        return f'{glyph}">{escape(char)}</i>'
    outer = f"width:{width_px * run.width}px;height:{_LINE_PX * run.height}px"
    scale = f"height:{_LINE_PX}px;margin-top:{_LINE_PX * (run.height - 1)}px;transform:scale({run.width},{run.height})"
    return f'<i style="{outer};text-align:left">{glyph};{scale}">{escape(char)}</i></i>'


def _figure(inner: str, align: PaperAlign) -> str:
    return f'<figure class="{align}">{inner}</figure>'


def _barcode(barcode: PaperBarcode) -> str:
    modules = bars(barcode.symbology, barcode.label)
    label = escape(barcode.label)
    if modules is None:
        return _figure(f"<small>[{escape(barcode.symbology)}: {label}]</small>", barcode.align)
    height = max(round(barcode.height_dots * _PX_PER_DOT), 1)
    width = round(len(modules) * barcode.module_dots * _PX_PER_DOT)
    path = "".join(f"M{x} 0h1v1h-1z" for x, module in enumerate(modules) if module == "1")
    svg = _svg(path, f"0 0 {len(modules)} 1", width, height, f"{barcode.symbology} {barcode.label}")
    return _figure(svg + (f"<span>{label}</span>" if barcode.has_text_below else ""), barcode.align)


def _svg(path: str, view_box: str, width_px: int, height_px: int, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width_px}" height="{height_px}" viewBox="{view_box}" '
        f'preserveAspectRatio="none" shape-rendering="crispEdges" role="img"><title>{escape(title)}</title>'
        f'<path d="{path}"/></svg>'
    )


def _qr_svg(qr: PaperQr) -> str:
    import segno

    level = qr.level if qr.level in "LMQH" else "M"
    matrix = segno.make_qr(qr.label, error=level, boost_error=False).matrix
    path = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(matrix) for x, module in enumerate(row) if module)
    side = round(len(matrix) * qr.module_dots * _PX_PER_DOT)
    return _svg(path, f"0 0 {len(matrix)} {len(matrix)}", side, side, f"QR {qr.label}")


def _image(image: PaperImage) -> str:
    width = round(image.width_dots * image.x_factor * _PX_PER_DOT)
    height = round(image.height_dots * image.y_factor * _PX_PER_DOT)
    content = b64encode(_png(image)).decode("ascii")
    return f'<img alt="printed picture" width="{width}" height="{height}" src="data:image/png;base64,{content}">'


def _png(image: PaperImage) -> bytes:
    """Return a PNG of one bit a pixel, palette white and black. W3C PNG specification, third edition."""
    header = struct.pack(">IIBBBBB", max(image.width_dots, 1), max(image.height_dots, 1), 1, 3, 0, 0, 0)
    rows = b"".join(b"\0" + row for row in image.rows) or b"\0\0"
    chunks = (
        (b"IHDR", header),
        (b"PLTE", b"\xff\xfe\xf8\x11\x11\x11"),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(name, content) for name, content in chunks)


def _png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
