"""The web console: plain files, served as they are."""
