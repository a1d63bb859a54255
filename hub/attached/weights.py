"""What the scales show: each change goes to the till that claims the scale, the newest of each is kept for whoever asks."""

import msgspec

from devices.model import Weight
from hub.attached.weight_view import WeightView
from hub.bus import CONSOLE
from hub.runtime import Runtime


def hear(hub: Runtime, device_id: str, weight: Weight) -> None:
    """Keep the weight and hand it to the till that claims the scale; the console watches."""
    now_ms = hub.now_ms()
    hub.weights[device_id] = WeightView(device_id, weight.state, weight.weight_g, now_ms)
    data = msgspec.to_builtins(weight)
    hub.bus.publish("weight", data, now_ms=now_ms, device=device_id, audience=hub.claims.holder(device_id) or CONSOLE)
