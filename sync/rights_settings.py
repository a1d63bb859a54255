"""[rights] of a hub's and [stores.X.rights] of the cloud's file: the policy of a store, to be written alike at both ends.

With it a store shares rights; without it nothing is granted and nothing promised. Not here: what follows
(sync.retail.stock.rebalance).
"""

from typing import Annotated

from msgspec import Meta, Struct

from sync.retail.stock.rebalance import Policy


class RightsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """How goods are shared between the shop and who promises them on line; quantities in the product's unit."""

    safety_stock: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    online_share_pct: Annotated[int, Meta(ge=0, le=100)] = 50
    batch: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    single_item: bool = True

    @property
    def declared(self) -> Policy:
        """The same for the rules."""
        return Policy(
            safety_stock=self.safety_stock,
            online_share_pct=self.online_share_pct,
            batch=self.batch,
            single_item=self.single_item,
        )
