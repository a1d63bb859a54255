"""Payloads of people counters, one file a format; formats.py knows them by name."""
