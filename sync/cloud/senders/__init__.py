"""Senders: how a message is put into a call of somebody's API, and what the answer means. One file each; no network here."""
