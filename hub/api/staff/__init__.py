"""Who may ask: pairing and trust, clients, cashiers, approvals, the trail."""
