"""Where backups go: a folder on a second medium, another host by rsync, an S3-compatible store."""
