"""A fleet of stores against one cloud end: rows, sessions and the cloud's code are real; time is virtual, or sockets are real."""
