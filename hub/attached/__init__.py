"""What attached devices say, on its way into the hub: one file a kind of event. `events` leads to them."""
