"""An RFID tag on its way to the till that claims the reader; its GTIN is looked up as a scan's is. No log holds an EPC."""

from typing import Any

import msgspec

from devices.model import TagRead
from hub.bus import CONSOLE
from hub.runtime import Runtime
from hub.store.catalogue import products


def hear(hub: Runtime, device_id: str, tag: TagRead) -> None:
    """Hand a tag to the till that claims the reader; the console watches."""
    data: dict[str, Any] = msgspec.to_builtins(tag)  # Any: JSON
    if tag.gtin is not None and (sku := products.sku_of_gtin(hub.db.read, tag.gtin)) is not None:
        data["sku"] = sku
    hub.bus.publish(
        "tag", data, now_ms=hub.now_ms(), device=device_id, audience=hub.claims.holder(device_id) or CONSOLE
    )
