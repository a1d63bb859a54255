"""Which place fulfils an order: by rights first, then by declared rules, explained."""
