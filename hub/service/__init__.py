"""The hub as a service: told to its manager when it sells, fed while it lives (sd_notify, watchdog); the lines that it keeps up."""
