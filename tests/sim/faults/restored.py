"""A hub is restored from an older backup: what it had sold since is not there, and its next dots have been given before."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World

IS_FORK = True
WEIGHT = 3
MEETS = ("restored backup",)
LIVES_MAX = 3  # of one hub in one run; ten within a day are refused by the hub itself


def strike(world: "World") -> bool:
    """Back up now, restore some time later."""
    hub = world.to_fork()
    if not hub.is_up or hub.log["restored"] >= LIVES_MAX:
        return False
    hub.log["restored"] += 1
    image = hub.disk.image()

    def restore() -> None:
        if not hub.is_retired and hub.is_up:
            hub.become(image)
            hub.expects = "restored backup"

    world.until_healed(restore, ms=(2_000, 60_000))
    return True
