"""Devices without hardware: simulated wires and an independent reader of what printers receive."""
