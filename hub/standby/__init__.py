"""The line between the two hubs of a store, and the books as it sees them."""
