"""Copies of the books on a second medium, and the way back. Source: the design, 3.5 and 6."""
