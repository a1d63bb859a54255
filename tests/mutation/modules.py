"""Which modules are mutated, and the tests that must kill their mutants: those of the rules, without a database or a line.

A module belongs here when it holds rules and no I/O: what a shop does, what devices' bytes say. Declarations alone (most of
`sync/retail` that is not here) have none.
"""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

TESTS: dict[str, tuple[str, ...]] = {
    "sync/columns.py": ("test_columns_layout.py",),  # the laws of test_columns.py take minutes and find nothing more
    "sync/retail/visitors/footfall.py": ("test_footfall.py",),
    "sync/session.py": (
        "test_session_answers.py",
        "test_session.py",
        "test_session_finish.py",
        "test_snapshot.py",
        "test_protocol_v1.py",
    ),
    "sync/kinds.py": ("test_kinds.py",),
    "sync/clock.py": ("test_clock.py", "test_stamps.py"),
    "sync/retail/people/coupons.py": ("test_coupons.py",),
    "sync/retail/windows.py": ("test_coupons.py", "test_pricing.py"),
    "sync/retail/catalogue/pricing.py": ("test_pricing.py",),
    "sync/sending.py": (
        "test_sending.py",
        "test_session.py",
        "test_session_finish.py",
        "test_snapshot.py",
    ),
    "sync/retail/staff/cashiers.py": ("test_cashiers.py",),
    "sync/retail/catalogue/catalogue.py": ("test_catalogue.py",),
    "sync/retail/stock/rights.py": ("test_rights.py", "test_settlement.py", "test_rights_walks.py"),
    "sync/batch.py": ("test_batch.py",),
    "sync/retail/stock/rebalance.py": ("test_rebalance.py",),
    "sync/retail/stock/stock.py": ("test_stock_rules.py",),
    "sync/retail/stock/counts.py": ("test_counts.py",),
    "sync/retail/stock/documents.py": ("test_documents.py",),
    "sync/retail/stock/transfers.py": ("test_documents.py",),
    "sync/retail/stock/reservations.py": ("test_reservations.py",),
    "sync/retail/orders/orders.py": ("test_orders.py",),
    "sync/retail/money.py": ("test_money.py",),
    "sync/protocol.py": ("test_protocol.py", "test_protocol_v1.py"),
    "sync/retail/stock/settlement.py": ("test_settlement.py", "test_rights_walks.py"),
    "sync/retail/people/points.py": ("test_points.py",),
    "sync/retail/people/points_worth.py": ("test_points_worth.py",),
    "sync/paths.py": ("test_paths.py", "test_kinds.py"),
    "sync/retail/selling/tenders.py": ("test_tenders.py",),
    "sync/retail/selling/discounts.py": ("test_discounts.py",),
    "sync/retail/selling/tax.py": ("test_tax.py",),
    "sync/retail/selling/sales.py": ("test_sales_rules.py", "test_exchanges_rules.py"),
    "sync/retail/selling/returns.py": ("test_returns_rules.py", "test_exchanges_rules.py"),
    "sync/audit.py": ("test_buckets.py",),
    "sync/line/state.py": ("test_line.py",),
    "sync/schedule.py": ("test_line.py",),
    "sync/merge.py": ("test_merge.py",),
    "sync/effects.py": ("test_effects.py",),
    "sync/scope_rows.py": ("test_scope_rows.py",),
    "sync/stamps.py": ("test_stamped_cells.py",),
    "sync/retail/catalogue/registers.py": ("test_registers.py",),
    "sync/retail/undo.py": ("test_undo.py",),
    "sync/digest.py": ("test_digest.py",),
    "sync/retail/stock/movements.py": ("test_movements.py", "test_documents.py"),
    "sync/retail/selling/days.py": ("test_days.py",),
    "sync/retail/catalogue/price_lists.py": ("test_price_lists.py",),
    "sync/retail/catalogue/promotions.py": ("test_promotions.py",),
    "sync/retail/catalogue/quotes.py": ("test_quotes.py",),
    "sync/retail/selling/exchanges.py": ("test_exchanges_rules.py",),
    "sync/retail/selling/refunds.py": ("test_refunds.py",),
    "sync/retail/selling/claims.py": ("test_claims_rules.py",),
    "sync/retail/people/coupon_rows.py": ("test_coupon_rows.py",),
    "sync/retail/people/identities.py": ("test_identities.py",),
    "sync/retail/people/points_back.py": ("test_points_back.py",),
    "sync/retail/catalogue/plain_rows.py": ("test_plain_rows.py",),
    "sync/retail/people/people.py": ("test_people.py",),
    "sync/retail/people/consents.py": ("test_people.py",),
    "sync/retail/selling/drawers.py": ("test_z_reports.py",),
    "sync/retail/selling/z_reports.py": ("test_z_reports.py",),
    "sync/retail/selling/left.py": ("test_left.py",),
    "devices/zones.py": ("test_zones.py",),
    "devices/codecs/beacons.py": ("test_beacons.py",),
    "devices/codecs/hid_keys.py": ("test_hid_keys.py", "test_masking.py"),
    "devices/codecs/einvoice.py": ("test_einvoice.py",),
    "devices/codecs/carriers.py": ("test_einvoice.py",),
    "devices/codecs/passages.py": ("test_gates_and_tags.py",),
    "devices/codecs/epc.py": ("test_gates_and_tags.py",),
    "devices/codecs/lines.py": ("test_weighing.py",),
    "devices/codecs/weighing/line.py": ("test_weighing.py",),
    "devices/codecs/weighing/toledo.py": ("test_weighing.py",),
    "devices/codecs/weighing/units.py": ("test_weighing.py",),
    "devices/codecs/counters/count.py": ("test_counter_edges.py", "test_counter_formats.py", "test_counters_codec.py"),
    "devices/codecs/counters/formats.py": (
        "test_counter_edges.py",
        "test_counter_formats.py",
        "test_counters_codec.py",
    ),
    "devices/codecs/counters/hikvision.py": ("test_counter_edges.py", "test_counter_formats.py"),
    "devices/codecs/counters/lorawan.py": ("test_counter_edges.py", "test_counter_formats.py"),
    "devices/codecs/counters/mapping.py": ("test_counter_edges.py", "test_counter_formats.py"),
    "devices/codecs/counters/own.py": ("test_counter_edges.py", "test_counter_formats.py", "test_counters_codec.py"),
    "devices/codecs/counters/uplinks.py": ("test_counter_edges.py", "test_counter_formats.py"),
}


def folder_of(path: str) -> Path:
    """Return where the tests of a module are."""
    return ROOT / "tests" / path.partition("/")[0]
