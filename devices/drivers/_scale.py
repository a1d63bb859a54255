"""What drivers of scales share: the weight that is shown now, told when it changes, and a scale that has fallen silent."""

import asyncio
from collections.abc import Callable

from devices.driver import DeviceContext
from devices.errors import WeightError
from devices.model import Health, StatusUpdate, Weight

SILENCE_MAX_S = 3.0  # a scale that works answers, or sends, far more often


class Rate:
    """How often a scale is asked, however fast it answers."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._next_s = self._loop.time()

    async def wait(self) -> None:
        """Return when it is time to ask again."""
        await asyncio.sleep(self._next_s - self._loop.time())
        self._next_s = self._loop.time() + self._every_s


class Shown:
    """The scale's display as the hub sees it. The same weight again is no event: a till hears changes."""

    def __init__(self, ctx: DeviceContext, now_s: Callable[[], float] | None = None) -> None:
        self._ctx = ctx
        self._weight: Weight | None = None
        self._now_s = now_s or asyncio.get_running_loop().time
        self._heard_s = self._weighed_s = self._now_s()

    async def show(self, weight: Weight) -> None:
        """Tell a weight that differs from the one before; the scale speaks, so it is ready."""
        self._ctx.status(StatusUpdate(Health.READY))
        if weight != self._weight:
            self._weight = weight
            await self._ctx.emit(weight)
        self._heard_s = self._weighed_s = self._now_s()

    async def refuse(self, error: WeightError) -> None:
        """Count what is no weight; the scale is ready with the next that is one. A weight does not outlive noise for long."""
        self._heard_s = self._now_s()
        self._ctx.count(f"refused_{error.reason}")
        self._ctx.status(StatusUpdate(Health.DEGRADED, error.reason, str(error)))
        if self._now_s() - self._weighed_s >= SILENCE_MAX_S:
            await self._forget()

    async def hear_nothing(self, remedy: str) -> None:
        """Nothing whole has come yet; when that lasts too long the scale counts as away and what it showed is no longer so."""
        if self._now_s() - self._heard_s < SILENCE_MAX_S:
            return
        self._ctx.status(StatusUpdate(Health.DEGRADED, "no_answer", f"silent for {SILENCE_MAX_S:g} s: {remedy}"))
        await self._forget()

    async def _forget(self) -> None:
        if self._weight is None or self._weight.state != "not_ready":
            self._weight = Weight("not_ready")
            await self._ctx.emit(self._weight)
