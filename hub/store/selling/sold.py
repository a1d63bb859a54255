"""What a receipt is made of: the sale, what its goods are called, what came back for it. Reads, on any connection."""

from collections.abc import Mapping
from sqlite3 import Connection
from typing import NamedTuple

from hub.store.catalogue.products import names_of
from hub.store.selling.returns import returned_for
from hub.store.selling.sales import Recorded, SaleView, printed_sales
from sync.retail.names import Name
from sync.retail.selling.returns import ReturnFact
from sync.retail.selling.sales import EXCHANGED


class Sold(NamedTuple):
    """A durable sale as its receipt says it; `names` of the goods that the catalogue knows, by SKU."""

    view: SaleView
    names: Mapping[str, Name]
    back: ReturnFact | None = None


def sold(read: Connection, *sale_ids: str) -> list[Sold]:
    """Return sales that are in the books; their names are read at once, and each has those of all."""
    if not sale_ids:
        return []
    found = printed_sales(read, sale_ids)
    missing = [sale_id for sale_id in sale_ids if sale_id not in found]
    assert not missing, f"print jobs name {missing}, which are no sales"
    views = [found[sale_id] for sale_id in sale_ids]
    backs = [returned_for(read, view.fact.sale) for view in views]
    skus = [line.sku for view in views for line in view.fact.sale.lines]
    skus += [line.sku for back in backs if back for line in back.lines]
    names = names_of(read, skus) if skus else {}
    return [Sold(view, names, back) for view, back in zip(views, backs, strict=True)]


def just_sold(recorded: Recorded) -> Sold | None:
    """Return a sale as its job has left it, without a read; None for a part of an exchange, whose other part is read."""
    view = recorded.view
    if view is None or any(tender.type == EXCHANGED for tender in view.fact.sale.tenders):
        return None
    return Sold(view, recorded.names)
