"""Which modules are mutated, and the tests that must kill their mutants: those of the rules, without a database or a line.

A module belongs here when it holds rules and no I/O. Declarations alone (most of `sync/retail` that is not here) have none.
"""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

TESTS: dict[str, tuple[str, ...]] = {
    "sync/columns.py": ("test_columns_layout.py",),  # the laws of test_columns.py take minutes and find nothing more
    "sync/retail/footfall.py": ("test_footfall.py",),
    "sync/session.py": (
        "test_session_answers.py",
        "test_session.py",
        "test_session_finish.py",
        "test_snapshot.py",
        "test_protocol_v1.py",
    ),
    "sync/kinds.py": ("test_kinds.py",),
    "sync/clock.py": ("test_clock.py", "test_stamps.py"),
    "sync/retail/coupons.py": ("test_coupons.py",),
    "sync/retail/windows.py": ("test_coupons.py", "test_pricing.py"),
    "sync/retail/pricing.py": ("test_pricing.py",),
    "sync/sending.py": (
        "test_sending.py",
        "test_session.py",
        "test_session_finish.py",
        "test_snapshot.py",
    ),
    "sync/retail/cashiers.py": ("test_cashiers.py",),
    "sync/retail/catalogue.py": ("test_catalogue.py",),
    "sync/retail/rights.py": ("test_rights.py", "test_settlement.py", "test_rights_walks.py"),
    "sync/batch.py": ("test_batch.py",),
    "sync/retail/rebalance.py": ("test_rebalance.py",),
    "sync/retail/stock.py": ("test_stock_rules.py",),
    "sync/retail/counts.py": ("test_counts.py",),
    "sync/retail/documents.py": ("test_documents.py",),
    "sync/retail/transfers.py": ("test_documents.py",),
    "sync/retail/reservations.py": ("test_reservations.py",),
    "sync/retail/orders.py": ("test_orders.py",),
    "sync/retail/money.py": ("test_money.py",),
    "sync/protocol.py": ("test_protocol.py", "test_protocol_v1.py"),
    "sync/retail/settlement.py": ("test_settlement.py", "test_rights_walks.py"),
    "sync/retail/points.py": ("test_points.py",),
    "sync/paths.py": ("test_paths.py", "test_kinds.py"),
    "sync/retail/tenders.py": ("test_tenders.py",),
    "sync/retail/discounts.py": ("test_discounts.py",),
    "sync/retail/tax.py": ("test_tax.py",),
    "sync/retail/sales.py": ("test_sales_rules.py",),
    "sync/retail/returns.py": ("test_returns_rules.py",),
    "sync/audit.py": ("test_buckets.py",),
    "sync/line.py": ("test_line.py",),
    "sync/merge.py": ("test_merge.py",),
    "sync/effects.py": ("test_effects.py",),
    "sync/scope_rows.py": ("test_scope_rows.py",),
    "sync/stamps.py": ("test_stamped_cells.py",),
    "sync/retail/registers.py": ("test_registers.py",),
    "sync/retail/undo.py": ("test_undo.py",),
    "sync/digest.py": ("test_digest.py",),
    "sync/retail/movements.py": ("test_movements.py", "test_documents.py"),
    "sync/retail/days.py": ("test_days.py",),
}
