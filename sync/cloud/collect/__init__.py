"""Who may send rows here: one-time codes, tokens at run time, certificates of stores, the address that is listened on."""
