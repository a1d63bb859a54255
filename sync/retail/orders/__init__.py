"""Orders of customers: their steps, who owns them, picking by scan."""
