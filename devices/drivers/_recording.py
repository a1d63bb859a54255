"""From an MQTT link into the hub's books: a batch is acknowledged after it is durable, until then it waits at the broker."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from devices.driver import HEARTBEAT_S, DeviceContext
from devices.errors import NotRecordedError
from devices.model import Health, Reading, StatusUpdate

if TYPE_CHECKING:
    from devices.drivers._mqtt_link import MqttLink

RETRY_FIRST_S = 0.2
RETRY_MAX_S = HEARTBEAT_S  # a full disk that was cleared is noticed within this

R = TypeVar("R", bound=Reading)
T = TypeVar("T")


async def record_and_ack(
    ctx: DeviceContext,
    link: "MqttLink[T]",
    batch: Sequence[tuple[int, T]],
    readings: Sequence[R],
    again: Callable[[R], R],
) -> None:
    """Record what a batch says and acknowledge it; while the hub cannot write, try `again` with nothing acknowledged."""
    retry_s = RETRY_FIRST_S
    while readings:
        try:
            await ctx.record(readings)
            ctx.count("readings", len(readings))
            break
        except NotRecordedError as err:
            ctx.count("not_recorded")
            ctx.status(StatusUpdate(Health.DEGRADED, "not_recorded", f"messages wait at the broker: {err}"))
        # whether a failed commit reached the disk is not always known: from here on each may be there already
        readings = [again(reading) for reading in readings]
        await link.idle(retry_s)
        ctx.heartbeat()
        retry_s = min(RETRY_MAX_S, 2 * retry_s)
    link.ack(batch)
