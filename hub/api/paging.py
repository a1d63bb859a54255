"""How lists are paged, the same everywhere: `items` and `next`, which goes into `after`, null where nothing follows.

A route reads one row more than it shows: whether anything follows is known, and never found out by an empty page. The mirror of
the catalogue (hub.api.catalogue.mirror) is a feed and no list: its `next` is always there, `more` says whether to ask again.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def cut(rows: Sequence[T], limit: int, *, name: Callable[[T], str]) -> tuple[list[T], str | None]:
    """Return the rows of a page and its `next`, of `limit` + 1 rows that were asked for."""
    shown = list(rows[:limit])
    return shown, name(shown[-1]) if len(rows) > limit else None
