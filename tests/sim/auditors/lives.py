"""Nobody becomes somebody else without a reason: with no copied or restored file a machine has one life from beginning to end.

The repair of forks would hide what makes a fork of itself: a digest that changes, an ack that is remembered wrongly.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World


class Auditor:
    """Counts lives."""

    def __init__(self, world: "World") -> None:
        self.world = world

    def check(self) -> Iterator[str]:
        """At the end."""
        if self.world.is_forked:
            return
        for hub in self.world.hubs:
            former = hub.disk.rows("SELECT incarnation, why FROM former_life JOIN replica ON id = replica")
            if former:
                yield f"{hub.name} has begun a new life, and no file was copied: {former}"
        lives = self.world.cloud.disk.rows("SELECT incarnation FROM replica WHERE store = 'cloud'")
        if len(lives) > 1:
            yield f"the cloud has had {len(lives)} lives, and its file was not restored"
