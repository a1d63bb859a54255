"""The tills of a hub go over to the one beside it: the hub is dead for good, or only they think so.

None dies for good from when the cloud's old copy was taken: a card that is gone and a cloud of yesterday are two disks lost at
once, and what was on just these two is nowhere. Options name what else is kept apart.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World

IS_FORK = True
WEIGHT = 2
MEETS = ("failed over",)


def strike(world: "World") -> bool:
    """Let the tills go, and at times the hub as well; once in a run."""
    if world.beside is None:
        return False
    hub, to = world.beside.followed, world.beside.follower
    if hub.log["failed over"] or hub.is_retired or not (hub.is_up and to.is_up):
        return False
    hub.log["failed over"] += 1
    if world.rng.random() < 0.5 and not world.cloud.log["restored"]:
        hub.is_retired = True
        hub.die("for good")
    world.people.fail_over(hub, to)
    return True
