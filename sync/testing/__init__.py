"""Stand-ins for the other end of the line, for tests and for trying the protocol out."""
