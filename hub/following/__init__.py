"""What a hub that follows fetches beside the line: keys, members, the store's CA."""
