"""The hub as a service: what its manager is told (sd_notify, watchdog), and the lines that it keeps up."""
