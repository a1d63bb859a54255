"""Orders of customers: made, picked by scan, handed over."""
