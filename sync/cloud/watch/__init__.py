"""How the fleet is: what hubs say of themselves, the view of all stores, its page and its metrics."""
