"""Who came through the door."""
