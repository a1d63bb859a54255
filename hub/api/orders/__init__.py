"""Orders of customers and their papers."""
