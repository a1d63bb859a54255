"""Handing on: what a retailer's own systems are told of the stores' rows, and how they prove that nothing is missing."""
