"""RFID reader that sends a line a tag, category RFIDScanner: a gate at the door, a plate on the counter.

Protocol document: the reader's manual for its line, GS1's Tag Data Standard for the tag (devices.codecs.epc). A tag that stays
in the field is told once: again only when it was not read for `forget_ms`.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Annotated

from msgspec import Meta

from devices.codecs.epc import read_epc
from devices.codecs.lines import LineFramer
from devices.driver import HEARTBEAT_S, Capture, DeviceContext, Driver, Read, Replayed
from devices.drivers._serial_port import SerialOptions, opened
from devices.errors import LabelError
from devices.model import Health, StatusUpdate, TagRead
from devices.plug.masking import masked_epc, masked_lines

TAGS_MAX = 4096
"""Tags remembered as being in the field. Beyond it the one read longest ago is forgotten, and told again when it is read."""
PATTERN = r"(?P<epc>[0-9A-Fa-f ]{4,160})(?:[,;](?P<antenna>\w{1,16}))?(?:[,;](?P<rssi>-?\d{1,3}))?"


class Options(SerialOptions, frozen=True):
    """The port's; `pattern` with the group epc and, where the line has them, antenna and rssi (dBm)."""

    pattern: Annotated[str, Meta(max_length=300)] = PATTERN
    forget_ms: Annotated[int, Meta(ge=0, le=3_600_000)] = 5000

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            groups = re.compile(self.pattern).groupindex.keys()
        except re.error as err:
            raise ValueError(f"pattern is no regular expression: {err}") from err
        if "epc" not in groups or groups - {"epc", "antenna", "rssi"}:
            raise ValueError("pattern needs the group (?P<epc>…); beside it known: antenna, rssi")


async def run(ctx: DeviceContext, options: Options) -> None:
    """Hand on tags until the port goes away."""
    async with opened(ctx, options) as port:
        ctx.status(StatusUpdate(Health.READY))
        await _listen(ctx, options, port.read, asyncio.get_running_loop().time)


async def _listen(ctx: DeviceContext, options: Options, read: Read, now_s: Callable[[], float]) -> None:
    framer, field, pattern = LineFramer(), _Field(options.forget_ms / 1000), re.compile(options.pattern)
    while True:
        ctx.heartbeat()
        if chunk := await read(HEARTBEAT_S):
            ctx.trace(chunk)
        for line in framer.feed(chunk):
            tag = _tag(line, pattern)
            if tag is None:
                ctx.count("refused_line")
            elif field.is_new(tag.epc, now_s()):
                ctx.count("tags")
                await ctx.emit(tag)


def _masked(chunks: Sequence[bytes], salt: bytes, options: Options) -> list[bytes]:
    """What article a tag is on stays, which one of them, and so who carries it, does not."""
    return masked_lines(chunks, salt, re.compile(options.pattern), hidden={"epc": masked_epc})


async def _replay(ctx: DeviceContext, options: Options, read: Replayed) -> None:
    await _listen(ctx, options, read, read.now_s)


class _Field:
    """Which tags are in the field."""

    def __init__(self, forget_s: float) -> None:
        self._forget_s = forget_s
        self._read_at_s: OrderedDict[str, float] = OrderedDict()

    def is_new(self, epc: str, at_s: float) -> bool:
        """Note that a tag is read, and say whether it was not there before."""
        before_s = self._read_at_s.pop(epc, None)
        self._read_at_s[epc] = at_s
        if len(self._read_at_s) > TAGS_MAX:
            self._read_at_s.popitem(last=False)
        return before_s is None or at_s - before_s >= self._forget_s


def _tag(line: str, pattern: re.Pattern[str]) -> TagRead | None:
    """Return the tag of a line; None for a line that names none."""
    match = pattern.fullmatch(line)
    if match is None:
        return None
    groups = match.groupdict()
    try:
        epc, item = read_epc(groups["epc"] or "")
        rssi_dbm = int(rssi) if (rssi := groups.get("rssi")) else None
    except (LabelError, ValueError):
        return None
    return TagRead(epc, item.gtin if item else None, item.serial if item else None, groups.get("antenna"), rssi_dbm)


DRIVER = Driver(
    category="RFIDScanner",
    summary="RFID reader that sends a line a tag",
    document="GS1 EPC Tag Data Standard 2.0; the reader's manual",
    options=Options,
    run=run,
    capture=Capture(_masked, _replay),
)
