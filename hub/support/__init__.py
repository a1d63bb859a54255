"""What a supporter is given of a hub that ails: one file, without anybody's data and without what opens a door."""
