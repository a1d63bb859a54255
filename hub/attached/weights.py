"""What the scales show: each change goes to the till that claims the scale, the newest of each is kept for whoever asks."""

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from devices.model import WeighingState, Weight
from hub.bus import CONSOLE

if TYPE_CHECKING:
    from hub.runtime import Runtime


class WeightView(Struct, frozen=True):
    """What a scale shows since `at_ms`. `weight_g` is null unless the state is `stable` or `zero`."""

    device_id: str
    state: WeighingState
    weight_g: int | None
    at_ms: int


def hear(hub: "Runtime", device_id: str, weight: Weight) -> None:
    """Keep the weight and hand it to the till that claims the scale; the console watches."""
    now_ms = hub.now_ms()
    hub.weights[device_id] = WeightView(device_id, weight.state, weight.weight_g, now_ms)
    data = msgspec.to_builtins(weight)
    hub.bus.publish("weight", data, now_ms=now_ms, device=device_id, audience=hub.claims.holder(device_id) or CONSOLE)
