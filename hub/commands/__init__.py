"""Subcommands of `storehub` that look at or mend a hub's files: one file a command."""
