"""What stands beside the demo's lane 2: a scale that somebody puts goods on, and the customer's display.

A till's use of both by the API: the weight of goods that lie still is the `qty` of their line, the display shows the line and
then the total. The scale has faults: in a share of weighings goods still move, noise comes, or it is silent for a moment; one may
be asked for (`fault`). Not here: the simulated devices (devices.testing).
"""

import asyncio
import logging
import random
from typing import Literal

from devices.testing.customer_display import SimulatedDisplay
from devices.testing.scale import SimulatedScale
from hub.client import ProblemError
from hub.demo.till_client import TillClient

SCALE, DISPLAY = "lane2-scale", "lane2-display"
FAULT_SHARE = 0.1
WEIGH_TIMEOUT_S = 20.0  # a scale that is silent is told after three seconds, and speaks again
LOOK_S = 0.1
SILENT_S = 4.0  # longer than the hub waits for a scale
Fault = Literal["moving", "noise", "silent"]
FAULTS: tuple[Fault, ...] = ("moving", "noise", "silent")

log = logging.getLogger(__name__)


class CounterTop:
    """Scale and display of one lane. `fault`: what the next weighing meets."""

    def __init__(self, scale: SimulatedScale, display: SimulatedDisplay, *, rng: random.Random) -> None:
        self.fault: Fault | None = None
        self.scale, self.display = scale, display
        self._rng = rng

    async def weigh(self, till: TillClient, weight_g: int) -> int:
        """Put goods on the scale; return what the hub says they weigh once they lie still. Then it is empty again."""
        fault, self.fault = self.fault or self._chance(), None
        scale = self.scale
        scale.load_g, scale.is_moving = weight_g, fault == "moving"
        scale.noise = b"\xff\x02zz\r" if fault == "noise" else b""
        try:
            async with asyncio.timeout(WEIGH_TIMEOUT_S):
                if fault == "silent":
                    scale.is_silent = True
                    await asyncio.sleep(SILENT_S)
                    scale.is_silent = False
                if fault == "moving":
                    await self._until(till, "unstable")
                    scale.is_moving = False
                return await self._until(till, "stable")
        finally:
            scale.load_g, scale.is_moving, scale.is_silent = 0, False, False

    async def clear(self, till: TillClient) -> None:
        """Wait until the hub has seen that nothing lies there: the next goods are not the ones before."""
        async with asyncio.timeout(WEIGH_TIMEOUT_S):
            await self._until(till, "zero")

    async def show(self, till: TillClient, *lines: str) -> None:
        """Show lines to the customer; a display that is away is no reason not to sell."""
        try:
            await till.show(DISPLAY, *lines)
        except ProblemError as err:
            log.debug("the display shows nothing: %s", err)

    def _chance(self) -> Fault | None:
        return self._rng.choice(FAULTS) if self._rng.random() < FAULT_SHARE else None

    async def _until(self, till: TillClient, state: str) -> int:
        while True:
            try:
                shown = await till.weight(SCALE)
            except ProblemError:  # it has shown nothing yet
                shown = None
            if shown is not None and shown.state == state:
                return shown.weight_g or 0
            await asyncio.sleep(LOOK_S)
