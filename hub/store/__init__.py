"""What the shop does, one file a business noun. The only place beside sync.db and sync.store where SQL lives."""
