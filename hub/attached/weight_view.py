"""What a scale shows, as the hub keeps it for whoever asks."""

from msgspec import Struct

from devices.model import WeighingState


class WeightView(Struct, frozen=True):
    """What a scale shows since `at_ms`. `weight_g` is null unless the state is `stable` or `zero`."""

    device_id: str
    state: WeighingState
    weight_g: int | None
    at_ms: int
