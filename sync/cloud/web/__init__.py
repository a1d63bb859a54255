"""What head office asks and says: the routes over HTTP and what they read."""
