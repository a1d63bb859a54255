"""The settlement as an entity: how a debt of stock was covered. Its content and its rules are in sync.retail.stock.settlement."""

from sync.kinds import Column, Entity, Kind, PassedOn, Priority
from sync.retail.stock.settlement import Settlement

SETTLEMENT = Entity(
    name="settlement",
    stream="settlements",
    kind=Kind.FACT,
    table="settlement",
    passed_on=PassedOn.NOBODY,
    row=Settlement,
    doc="How a debt was covered: from unspent rights, then by promises that are sourced elsewhere.",
    key=(Column("settlement_id", path="settlement_id"),),
    columns=(Column("debtor", path="debtor", is_indexed=True),),
    priority=Priority.URGENT,
)
