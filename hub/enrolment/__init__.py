"""How this hub is let in at the cloud: by a one-time code of head office, by what it drew itself and keeps in DIR/cloud."""
