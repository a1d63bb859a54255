"""What the hub tells a device to do, and how it hears that it was done.

One queue a device: opening a drawer or zeroing a scale is asked of the device that is there now, so a command waits for
no outage. Print jobs are no commands: they have a ledger (devices.driver.PrintJob).
"""

import asyncio
from collections import deque

from msgspec import Struct

from devices.errors import CommandError

COMMANDS_MAX = 8
"""Commands of one device that its driver has not taken. When full, the next is refused: a person presses again."""


class OpenDrawer(Struct, frozen=True, tag="open_drawer"):
    """Let the cash drawer spring open."""


class ShowText(Struct, frozen=True, tag="show_text"):
    """Show these lines on the LineDisplay, from the top; what is there is cleared."""

    lines: tuple[str, ...]


class ZeroScale(Struct, frozen=True, tag="zero_scale"):
    """Make what lies on the scale its zero."""


Command = OpenDrawer | ShowText | ZeroScale


class Told:
    """A command on its way. The driver says `done` when the bytes are out, or the answer is in."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def done(self) -> None:
        """Tell whoever asked; the second time says nothing."""
        if not self.outcome.done():
            self.outcome.set_result(None)

    def refuse(self, error: CommandError) -> None:
        """Tell whoever asked that it was not done."""
        if not self.outcome.done():
            self.outcome.set_exception(error)


class CommandQueue:
    """The commands of one device, oldest first; a text that waits gives way to a newer one."""

    def __init__(self) -> None:
        self._waiting: deque[Told] = deque()
        self._taken: Told | None = None
        self._changed = asyncio.Event()

    async def tell(self, command: Command) -> None:
        """Return when the device did it; raise CommandError when it is busy, or goes away before."""
        if isinstance(command, ShowText):
            for older in [each for each in self._waiting if isinstance(each.command, ShowText)]:
                self._waiting.remove(older)
                older.done()  # the newer text stands for it
        if len(self._waiting) >= COMMANDS_MAX:
            raise CommandError("device_busy", f"{COMMANDS_MAX} commands wait for this device already; try again")
        told = Told(command)
        self._waiting.append(told)
        self._changed.set()
        try:
            await told.outcome
        finally:
            if told in self._waiting:  # whoever asked has gone: it must not happen later, when nobody expects it
                self._waiting.remove(told)

    async def next(self) -> Told:
        """Wait for the oldest command. The one taken before has ended."""
        while not self._waiting:
            self._changed.clear()
            await self._changed.wait()
        self._taken = self._waiting.popleft()
        return self._taken

    def refuse_all(self, detail: str) -> None:
        """The device has gone: nothing that waits is done any more."""
        error = CommandError("device_offline", detail)
        if self._taken is not None:
            self._taken.refuse(error)
            self._taken = None
        while self._waiting:
            self._waiting.popleft().refuse(error)
