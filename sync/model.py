"""Identity in the replicated store: replicas, streams, dots.

Lives here: the values that name who wrote what. Not here: SQL (sync.store), merge rules (sync.merge), which streams there are
(sync.entities, from the declarations).
Source: the design, sections 3.1 and 3.2; dots and version vectors after Almeida et al., "Scalable and accurate causality
tracking for eventually consistent stores" (2014).
"""

from enum import StrEnum

from msgspec import Struct


class Feed(StrEnum):
    """How a stream ships: `log` once, dense and in order; `state` compacts itself, an overwritten row moves to the end."""

    LOG = "log"
    STATE = "state"


class Stream(StrEnum):
    """Streams that code here calls by their name. Every entity group has one, with a seq of its own in every replica."""

    SALES = "sales"
    RETURNS = "returns"
    STOCK = "stock"
    PRINTS = "prints"
    CATALOGUE = "catalogue"
    LEVELS = "levels"
    FOOTFALL = "footfall"
    GRANTS = "grants"
    SEALS = "seals"
    DUPLICATES = "duplicates"
    SETTLEMENTS = "settlements"
    PROMISES = "promises"
    ORDERS = "orders"
    ORDER_STEPS = "order_steps"
    ORDER_REQUESTS = "order_requests"
    TRAIL = "trail"
    CASHIERS = "cashiers"
    DRAWERS = "drawers"
    TRANSFERS = "transfers"
    REDEMPTIONS = "redemptions"
    RELEASES = "releases"
    COUPON_ISSUES = "coupon_issues"
    DWELLS = "dwells"


class Replica(Struct, frozen=True):
    """One life of one database: `incarnation` is 64 random bits in hex, never a counter. `local_id` is its short name here."""

    local_id: int
    store: str
    incarnation: str

    @property
    def rep(self) -> str:
        """The replica's name on the wire: `<store>:<incarnation>`."""
        return f"{self.store}:{self.incarnation}"


class Dot(Struct, frozen=True):
    """One write event: the seq-th of a stream of a replica."""

    rep: str
    stream: str
    seq: int
