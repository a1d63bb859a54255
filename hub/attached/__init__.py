"""What attached devices say, on its way into the hub: one file a kind of event. Runtime.on_device_event leads to them."""
