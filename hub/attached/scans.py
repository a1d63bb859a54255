"""A scan on its way to the till that claims the scanner. The label is looked up and handed on; no log ever holds one."""

from typing import TYPE_CHECKING, Any

import msgspec

from devices.model import Scan
from hub.bus import CONSOLE
from hub.store.catalogue import products
from hub.store.people import people

if TYPE_CHECKING:
    from hub.runtime import Runtime


def hear(hub: "Runtime", device_id: str, scan: Scan) -> None:
    """Hand a scan to the till that claims the scanner; the console watches, and is told whose it was."""
    data: dict[str, Any] = msgspec.to_builtins(scan)  # Any: JSON
    if scan.gtin is not None and (sku := products.sku_of_gtin(hub.db.read, scan.gtin)) is not None:
        data["sku"] = sku
    elif scan.error is None and (found := people.found_by_code(hub.db.read, scan.label, hub.shop.members)):
        data["member_id"] = found[0].member_id
    hub.metrics.scans.labels(device_id, scan.error or "ok").inc()
    holder = hub.claims.holder(device_id)
    if holder is not None:
        data["claimed_by"] = holder
    hub.bus.publish("scan", data, now_ms=hub.now_ms(), device=device_id, audience=holder or CONSOLE)
