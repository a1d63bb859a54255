"""Talks with the stores, whatever carries them."""
