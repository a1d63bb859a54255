"""Stock levels as tallies: all that ever came to and left a location by one writer; both only grow, merge is the larger one.

On hand = received less issued, summed over writers. What other branches and the cloud know of a shop's stock.
"""

from msgspec import Struct


class LevelRow(Struct, frozen=True, kw_only=True):
    """A row of state stream `levels`; quantities in the product's unit."""

    v: int = 1
    sku: str
    location: str
    received: int
    issued: int
