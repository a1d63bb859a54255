"""A printer takes the next receipt of its hub's ledger and says how it ended."""

from typing import TYPE_CHECKING

from hub.store.selling import printing
from sync.retail.prints import Ended
from tests.sim.hub_node import PRINTER

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 1


def act(world: "World") -> bool:
    """Begin a job, and end it a little later; a hub that dies between the two calls it unknown."""
    rng = world.rng
    node = rng.choice(world.hubs)
    hub = node.hub
    queued = node.disk.rows(
        "SELECT job_id FROM print_job WHERE printer_id = ? AND state = 'queued' ORDER BY id LIMIT 1", PRINTER
    )
    if hub is None or not queued or world.people.printing.get(node.name) == node.life:
        return False
    world.people.printing[node.name] = node.life
    job_id = queued[0][0]
    endings: tuple[Ended, ...] = ("printed", "printed", "failed", "unknown")
    ended = rng.choice(endings)

    def free(_: object) -> None:
        world.people.printing.pop(node.name, None)

    def end() -> None:
        now_ms = node.wall_ms()
        job = hub.db.write(lambda tx: printing.end(tx, hub.replica, job_id, ended, now_ms=now_ms))
        node.spawn(job, done=free, failed=lambda _: node.after(1_000, end))

    def begun(_: object) -> None:
        node.after(rng.randint(1, 900), end)

    now_ms = node.wall_ms()
    begin = hub.db.write(lambda tx: printing.begin(tx, job_id, printer_id=PRINTER, now_ms=now_ms))
    node.run(lambda: node.spawn(begin, done=begun, failed=free))
    return True
