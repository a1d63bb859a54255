"""Who may promise which goods: rights, promises, transfers."""
