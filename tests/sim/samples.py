"""Goods given away for a taste at hubs of the newer program; each gift under an id of its own, given again like anything else.

Who gave it says it again when his hub has begun a new life, or when he has gone over to another one. Not here: the write job
(versions), how often it happens (actions/sample).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.replication import Seen
from sync.model import Dot
from tests.sim.versions import give_sample

if TYPE_CHECKING:
    from tests.sim.client import Client
    from tests.sim.hub_node import HubNode
    from tests.sim.world import World

AGAIN_MS = (1_000, 4_000)


@dataclass(frozen=True, slots=True)
class Sample:
    """One gift."""

    giver: "Client"
    key: str
    sku: str
    qty: int


class Samples:
    """All that were given and known to be durable."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self._given: list[Sample] = []
        self._asked_again: set[Sample] = set()

    def give(self, hub: "HubNode", key: str, sku: str, qty: int) -> None:
        """Give one for the first time; nobody asks again where there is no answer."""
        giver = next(till for till in self.world.people.tills if till.home is hub)
        sample = Sample(giver, key, sku, qty)
        self.world.note(hub.name, f"gives {key}")
        self.world.tell("sample", hub, key, sku, qty)
        self._write(sample)

    def on_heard_of_new_life(self, client: "Client") -> None:
        """Say again what may be lost."""
        for sample in [each for each in self._given if each.giver is client]:
            self._asked_again.add(sample)
            self._again(sample)

    def _again(self, sample: Sample) -> None:
        """As soon as there is a hub that knows what a sample is, until it is answered: its disk may be full, or it dies."""
        if sample not in self._asked_again:
            return
        hub = sample.giver.home
        if hub.hub is None or hub.program is None or hub.program.version == 1:
            self.world.after(self.world.rng.randint(*AGAIN_MS), lambda: self._again(sample))
            return
        self.world.note(hub.name, f"gives {sample.key} again")
        self._write(sample)
        self.world.after(AGAIN_MS[1], lambda: self._again(sample))

    def _write(self, sample: Sample) -> None:
        node = sample.giver.home
        hub = node.hub
        assert hub is not None
        location = hub.shop.location
        job = hub.db.write(
            lambda tx: give_sample(tx, hub.replica, sample.key, sample.sku, sample.qty, location=location)
        )
        node.run(lambda: node.spawn(job, done=lambda dot: self._is_durable(sample, node, dot)))

    def _is_durable(self, sample: Sample, node: "HubNode", dot: Dot) -> None:
        self._asked_again.discard(sample)
        sample.giver.remember(Seen(rep=dot.rep, seq=dot.seq, key=sample.key, stream=dot.stream))
        if sample not in self._given:
            self._given.append(sample)
            self.world.tell("sampled", node, sample.key)
