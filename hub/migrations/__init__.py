"""Numbered SQL files; see hub.migrate."""
