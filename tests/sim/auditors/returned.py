"""No more comes back than was sold, by all returns of a sale together."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.sim.hub_node import HubNode
from tests.sim.people import Request

if TYPE_CHECKING:
    from tests.sim.world import World


class Auditor:
    """Adds up what tills were allowed to take back."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.sales: dict[str, Request] = {}
        self.returns: dict[str, Request] = {}

    def on_asked(self, request: Request) -> None:
        """Remember sales."""
        if request.kind == "sale":
            self.sales[request.key] = request

    def on_answered(self, request: Request, hub: HubNode, status: int, body: bytes) -> None:
        """Remember returns that were allowed."""
        if request.kind == "return" and status in (200, 201):
            self.returns[request.key] = request

    def check(self) -> Iterator[str]:
        """At the end."""
        back: Counter[tuple[str, int]] = Counter()
        for request in self.returns.values():
            for line in request.body.lines:
                back[request.body.sale_id, line.line] += line.qty
        for (sale_id, line), qty in back.items():
            sold = {each.line: each.qty for each in self.sales[sale_id].body.lines}
            if (
                qty > sold[line] and not self.world.options.has_forks
            ):  # a restored hub cannot know what came back before
                yield f"{sale_id} line {line}: {sold[line]} sold, {qty} taken back"
