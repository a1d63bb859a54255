"""How a long page is sent: as one JSON text or, to who asks for application/x-ndjson, by lines; packed for who reads zstd.

The first line of NDJSON is the page without its items. Not here: what is in a page.
"""

import msgspec
from aiohttp import web
from backports import zstd
from msgspec import Struct

NDJSON = "application/x-ndjson"
PACKED_FROM = 500  # bytes; below it packing saves nothing
_LEVEL = 1  # a page of 500 products in a millisecond, to a sixth of its length


def bulk_response(request: web.Request, page: Struct, *, status: int) -> web.Response:
    """Return the response for a page that has `items`."""
    is_lines = NDJSON in request.headers.get("Accept", "")
    body = _lines(page) if is_lines else msgspec.json.encode(page)
    headers = {"Vary": "Accept, Accept-Encoding"}
    if len(body) >= PACKED_FROM and "zstd" in request.headers.get("Accept-Encoding", ""):
        body, headers["Content-Encoding"] = zstd.compress(body, _LEVEL), "zstd"
    return web.Response(
        status=status, body=body, content_type=NDJSON if is_lines else "application/json", headers=headers
    )


def _lines(page: Struct) -> bytes:
    said = {name: getattr(page, name) for name in page.__struct_fields__}
    return msgspec.json.Encoder().encode_lines([said, *said.pop("items")])
