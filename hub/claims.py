"""Exclusive use of an input device by one till (UnifiedPOS claim). In memory: after a restart tills claim again.

A claim is freed by its till, or CLAIM_GRACE_S after that till has no event socket any more.
"""

import asyncio
from collections.abc import Callable

from hub.errors import ConflictError

CLAIM_GRACE_S = 30.0


class Claims:
    """Who holds which device. `is_listening` tells whether a till has an event socket."""

    def __init__(self, is_listening: Callable[[str], bool], *, grace_s: float = CLAIM_GRACE_S) -> None:
        self._holders: dict[str, str] = {}
        self._is_listening = is_listening
        self._grace_s = grace_s
        self._graces: dict[str, asyncio.TimerHandle] = {}

    def holder(self, device_id: str) -> str | None:
        """Return the till that holds the device."""
        return self._holders.get(device_id)

    def claim(self, device_id: str, till_id: str) -> None:
        """Give the device to the till; raise ConflictError naming another holder. Claiming twice is one claim."""
        holder = self._holders.setdefault(device_id, till_id)
        if holder != till_id:
            raise ConflictError("claimed", f"{device_id} is claimed by {holder}", holder=holder)
        self.till_left(till_id)

    def release(self, device_id: str, till_id: str) -> None:
        """Free the device if this till holds it."""
        if self._holders.get(device_id) == till_id:
            del self._holders[device_id]

    def till_left(self, till_id: str) -> None:
        """Free the till's devices after the grace time unless it listens again by then; each leaving begins it anew."""
        if till_id in self._holders.values() and not self._is_listening(till_id):
            if till_id in self._graces:
                self._graces[till_id].cancel()
            loop = asyncio.get_running_loop()
            self._graces[till_id] = loop.call_later(self._grace_s, self._free_if_gone, till_id)

    def _free_if_gone(self, till_id: str) -> None:
        del self._graces[till_id]
        if not self._is_listening(till_id):
            self._holders = {device: holder for device, holder in self._holders.items() if holder != till_id}
