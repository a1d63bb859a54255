"""Bar code scanner on a serial port (RS-232, USB-CDC "virtual COM port"), category Scanner.

Protocol document: none; such scanners send each label as its bytes and a suffix, CR or CR LF from the factory. With
AIM symbology identifiers switched on in the scanner (ISO/IEC 15424), the symbology is known as well.
"""

from devices.codecs.gs1 import GROUP_SEPARATOR
from devices.codecs.labels import Encoding, LabelFramer
from devices.driver import Capture, DeviceContext, Driver, Read
from devices.drivers._scanner import IdleFlushMs, OneCharacter, Scanner, check_labels
from devices.drivers._serial_port import SerialOptions, opened
from devices.model import Health, StatusUpdate
from devices.plug.masking import masked_labels


class Options(SerialOptions, frozen=True, kw_only=True):
    """The port's; `prefix` and `suffix` frame a label, `encoding` is of text that is no UTF-8; and what labels say."""

    prefix: str = ""
    suffix: str = "cr_or_lf"
    encoding: Encoding | None = None
    idle_flush_ms: IdleFlushMs = 200
    variable_measures: tuple[str, ...] = ()
    sends_upc_e: bool = False
    gs1_separator: OneCharacter = GROUP_SEPARATOR

    def __post_init__(self) -> None:
        super().__post_init__()
        check_labels(self)
        _framer(self)


async def run(ctx: DeviceContext, options: Options) -> None:
    """Open the port and hand on labels until it goes away; raise WireError then, or when it does not open."""
    scanner = _scanner(ctx, options)
    async with opened(ctx, options) as port:
        await scanner.settle(port.read)
        ctx.status(StatusUpdate(Health.READY))
        await scanner.listen(port.read)


def _scanner(ctx: DeviceContext, options: Options) -> Scanner:
    return Scanner(ctx, _framer(options), options, advice="baudrate, prefix and suffix")


async def _replay(ctx: DeviceContext, options: Options, read: Read) -> None:
    await _scanner(ctx, options).listen(read)


DRIVER = Driver(
    category="Scanner",
    summary="bar code scanner on a serial port or USB virtual COM port",
    document="label bytes and suffix; AIM symbology identifiers of ISO/IEC 15424",
    options=Options,
    run=run,
    capture=Capture(masked_labels, _replay),
)


def _framer(options: Options) -> LabelFramer:
    return LabelFramer(options.suffix, prefix=options.prefix, encoding=options.encoding)
