"""What is written when a life of a hub ends, is doubled or had a wrong clock."""
