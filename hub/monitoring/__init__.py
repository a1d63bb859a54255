"""What operators see of a running hub: figures at each scrape, a sale's way through the log. Pages: docs/operating."""
