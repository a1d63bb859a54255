"""Rows as they arrive: kept as received, summed, sealed, looked at."""
