"""Devices: what is plugged in, what stands at the till, what the figures say."""
