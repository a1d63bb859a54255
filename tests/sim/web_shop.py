"""The web shop of head office: orders are promised by the cloud, called off, picked in the shops; and who tends to rights.

A promise is asked for under the shop's own id until it is answered, as any client does. What the wiring does at contact is done
here every two seconds: the hub balances while its line is up, the cloud looks at what has come. Not here: what is wanted
(actions/), who judges (auditors/rights).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.rights import Rights
from hub.store.stock.rights import Rule
from sync.cloud.rights.contact import Contact
from sync.cloud.rights.promises import Promised, PromiseRequest
from sync.errors import SyncError
from sync.retail.stock.rebalance import Policy
from tests.sim.hub_node import HubNode

if TYPE_CHECKING:
    from tests.sim.world import World

TEND_MS = 2_000
AGAIN_MS = 3_000
PATIENCE_MS = (4_000, 8_000)
RULE = Rule(policy=Policy())


@dataclass(slots=True)
class Order:
    """A promise that was asked for: how it was answered, and what the web shop knows of its end."""

    wanted: PromiseRequest
    status: str = ""
    is_cancelling: bool = False
    ending: str = ""


class WebShop:
    """One for each world."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.orders: dict[str, Order] = {}
        self._contact: tuple[int, Contact] | None = None
        self._busy: set[tuple[str, int]] = set()
        world.after(TEND_MS, self._tend)

    @property
    def contact(self) -> Contact | None:
        """What the cloud of this life does about rights."""
        node = self.world.cloud
        if node.cloud is None:
            return None
        if self._contact is None or self._contact[0] != node.life:
            stores = {hub.store for hub in self.world.hubs}
            self._contact = (node.life, Contact(node.cloud.books, dict.fromkeys(stores, RULE.policy)))
        return self._contact[1]

    def order(self, wanted: PromiseRequest) -> None:
        """Ask until it is answered."""
        order = self.orders[wanted.promise_id] = Order(wanted)
        self.world.note("web", f"wants {wanted.promise_id}: {wanted.qty} {wanted.sku} of {wanted.store}")
        self._try(order)

    def cancel(self, order: Order) -> None:
        """Call it off; ask until it is known to have ended."""
        order.is_cancelling = True
        self.world.note("web", f"calls off {order.wanted.promise_id}")
        self._try_cancel(order)

    def pick(self, hub: HubNode, order: Order) -> None:
        """Take the goods off a shop's shelf."""
        assert hub.hub is not None
        runtime, promise_id = hub.hub, order.wanted.promise_id
        desk = Rights(runtime.db, runtime.shop, RULE, own=lambda: runtime.replica, now_ms=hub.wall_ms)
        hub.run(lambda: hub.spawn(desk.pick(promise_id), done=lambda ended: self._ended(order, ended.ending)))

    def _try(self, order: Order) -> None:
        if order.status:
            return
        world, contact = self.world, self.contact
        world.after(world.rng.randint(*PATIENCE_MS), lambda: self._try(order))
        if contact is not None:
            world.cloud.run(
                lambda: world.cloud.spawn(contact.promise(order.wanted), done=lambda said: self._told(order, said))
            )

    def _told(self, order: Order, said: Promised) -> None:
        if not order.status:
            order.status = "refused" if said.status == "refused" else "promised"
            self.world.note("web", f"{order.wanted.promise_id}: {said.status}, {said.left} left")
            self.world.tell("promised", order)

    def _try_cancel(self, order: Order) -> None:
        if order.ending:
            return
        world, contact = self.world, self.contact
        world.after(world.rng.randint(*PATIENCE_MS), lambda: self._try_cancel(order))

        def failed(err: SyncError) -> None:
            if err.code == "promise_ended":
                self._ended(order, "picked")

        if contact is not None:
            world.cloud.run(
                lambda: world.cloud.spawn(
                    contact.cancel(order.wanted.promise_id),
                    done=lambda done: self._ended(order, "given_back") if done == "ended" else None,
                    failed=failed,
                )
            )

    def _cancel_again(self, order: Order) -> None:
        """A customer is not sure that it went through."""
        world, contact = self.world, self.contact
        if contact is not None:
            world.cloud.run(lambda: world.cloud.spawn(contact.cancel(order.wanted.promise_id)))

    def _ended(self, order: Order, ending: str) -> None:
        if not order.ending:
            order.ending = ending
            self.world.note("web", f"{order.wanted.promise_id}: {ending}")
            self.world.tell("promise_ended", order)
            if ending == "given_back" and order.wanted.keeper == "cloud":
                self.world.after(AGAIN_MS, lambda: self._cancel_again(order))

    def _tend(self) -> None:
        self.world.after(TEND_MS, self._tend)
        contact, cloud = self.contact, self.world.cloud
        if contact is not None and self._is_free(cloud.name, cloud.life):
            cloud.run(lambda: cloud.spawn(contact.look(), done=self._done(cloud.name), failed=self._done(cloud.name)))
        for hub in self.world.hubs:
            self._tend_hub(hub)

    def _tend_hub(self, hub: HubNode) -> None:
        runtime = hub.hub
        if runtime is None or not runtime.replication.contact or not self._is_free(hub.name, hub.life):
            return
        desk = Rights(runtime.db, runtime.shop, RULE, own=lambda: runtime.replica, now_ms=hub.wall_ms)
        work = desk.on_contact(runtime.replication.contact)
        hub.run(lambda: hub.spawn(work, done=self._done(hub.name), failed=self._done(hub.name)))

    def _is_free(self, name: str, life: int) -> bool:
        """Whether nothing of this life is under way; what a former life had begun is gone with it."""
        if (name, life) in self._busy:
            return False
        self._busy = {each for each in self._busy if each[0] != name} | {(name, life)}
        return True

    def _done(self, name: str):  # type: ignore[no-untyped-def]
        def done(_: object) -> None:
            self._busy = {each for each in self._busy if each[0] != name}

        return done
