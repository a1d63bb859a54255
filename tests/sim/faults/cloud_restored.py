"""The cloud is restored to yesterday: it has forgotten what it acknowledged."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World

IS_FORK = True
WEIGHT = 1
MEETS = ("cloud restored",)


def strike(world: "World") -> bool:
    """Back up now, restore some time later; once in a run."""
    cloud = world.cloud
    if not cloud.is_up or cloud.log["restored"]:
        return False
    cloud.log["restored"] += 1
    image = cloud.disk.image()

    def restore() -> None:
        if cloud.is_up:
            before = cloud.incarnation
            cloud.become(image)
            cloud.expects = before
            world.tell("cloud_restored")

    world.until_healed(restore, ms=world.copy_ages_ms())
    return True
