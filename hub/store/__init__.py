"""What the shop does, one file a business noun. The only place beside hub.db and sync.store where SQL lives."""
