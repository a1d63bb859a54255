"""Who works here: tills and their tokens, cashiers and their PINs, approvals, the audit trail."""
