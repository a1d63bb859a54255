"""Pages of long lists by HTTP: what comes behind a name, a thousand at once, and where the next page begins."""

from collections.abc import Sequence
from typing import Annotated, Any

from aiohttp import web
from msgspec import Meta, Struct

from sync.cloud.web.http import answer

PAGE_MAX = 1000


class PageQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """What is behind `after`."""

    after: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_MAX


def answer_page(items: Sequence[dict[str, Any]], names: Sequence[str], query: PageQuery) -> web.Response:
    """Return a page of items, each with the name that it stands under; `next` is null on the last one. Any: JSON."""
    return answer({"items": items, "next": names[-1] if len(names) == query.limit else None})
