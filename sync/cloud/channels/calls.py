"""A call to a shop's API as a value, and what came back: who builds calls does no I/O. Who sends them: sync.cloud.talk.shop_http.

A conversation is a generator: it yields a ShopCall, gets its ShopAnswer, and returns what it came to.
"""

from collections.abc import Generator, Mapping
from typing import TypeVar

from msgspec import Struct, field

from sync.errors import SyncError

T = TypeVar("T")
Conversation = Generator["ShopCall", "ShopAnswer", T]


class ShopFaultError(SyncError):
    """A shop cannot be talked to now, or says nothing that we understand. Nothing was changed here; it is tried again."""


class ShopCall(Struct, frozen=True):
    """What is asked of a shop. `path` is behind its url."""

    method: str
    path: str
    body: bytes = b""
    query: tuple[tuple[str, str], ...] = ()


class ShopAnswer(Struct, frozen=True):
    """A good answer. Names of headers are in small letters."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
