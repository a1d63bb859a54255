"""What a sale's id can be followed by, from here to the cloud: lines of logger `hub.trail`, written together a little later.

A sale and its receipt are two of them. Each logged when it is said, they cost a twelfth of that sale's processor time; many in
one write, a tenth of that. A line bears the time when it was said; a kill may take those of the last LATER_S along.
"""

import asyncio
import atexit
import logging
from typing import Any

from hub.log import TOGETHER

LATER_S = 0.05
KEPT_MAX = 200  # lines; more are written at once

log = logging.getLogger("hub.trail")


class _Trail:
    """What was said and is not written yet, with when by the loop's clock, and the loop that comes back for it."""

    def __init__(self) -> None:
        self._said: list[tuple[float, str, dict[str, Any]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def say(self, message: str, **fields: Any) -> None:
        """Say something of a sale. Any: JSON."""
        if not log.isEnabledFor(logging.INFO):
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # nobody would come back for it
            log.info(message, extra=fields)
            return
        if loop is not self._loop:
            self.write()
            self._loop = loop
            loop.call_later(LATER_S, self.write)
        self._said.append((loop.time(), message, fields))
        if len(self._said) >= KEPT_MAX:
            self.write()

    def write(self) -> None:
        """Write what was said."""
        said, self._said, loop, self._loop = self._said, [], self._loop, None
        if said and loop is not None:
            now_s = loop.time()
            together = [(now_s - at_s, message, fields) for at_s, message, fields in said]
            log.info("lines of the trail", extra={TOGETHER: together})


_trail = _Trail()
say = _trail.say
atexit.register(_trail.write)
