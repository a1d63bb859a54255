"""The cloud end: keeps what the stores send, gives it to head office, and owns the catalogue. A process of its own."""
