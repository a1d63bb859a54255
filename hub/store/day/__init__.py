"""Drawer sessions and their reports."""
