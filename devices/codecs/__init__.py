"""Pure translations between bytes and values: no I/O, no clock."""
