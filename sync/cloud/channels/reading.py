"""What readers of all kinds of channel share: money without floats, moments, one line of text, a label's address. Pure."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import blake2b

from sync.cloud.channels.said import ChannelError
from sync.retail.money import AMOUNT_MINOR_MAX, AmountError, minor_digits

NAME_CHARS_MAX, ADDRESS_CHARS_MAX = 60, 300
ID_CHARS_MAX = 200
LEVEL_MAX = 10**9
MOMENT_MS_MAX = 253_402_300_799_999  # the year 9999
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]+")
_SAFE = re.compile(r"[A-Za-z0-9._:-]+")


def minor_of(amount: Decimal, currency: str) -> int:
    """Return the minor units of an amount as shops write it ("1280", "1280.00"); raise ChannelError: `amount`."""
    try:
        minor = amount.scaleb(minor_digits(currency)) if amount.is_finite() else amount
    except (AmountError, ArithmeticError) as err:
        raise ChannelError("channel_amount", f"{amount} {currency[:20]}: {err}") from err
    if not minor.is_finite() or abs(minor) > AMOUNT_MINOR_MAX or minor != minor.to_integral_value():
        raise ChannelError("channel_amount", f"{amount} is no amount of {currency}")
    return int(minor)


def minor_or_none(amount: Decimal, currency: str) -> int | None:
    """Return the minor units of an amount; None where it is none."""
    try:
        return minor_of(amount, currency)
    except ChannelError:
        return None


def level_of(told: float | None) -> int:
    """Return a level as a shop shows it; none is 0, and what no shelf holds is cut."""
    return int(max(-LEVEL_MAX, min(LEVEL_MAX, told or 0)))


def ms_of(moment: datetime) -> int:
    """Return milliseconds of a moment; one without an offset is UTC, as *_gmt fields are."""
    at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(MOMENT_MS_MAX, max(0, int(at.timestamp() * 1000)))


def one_line(text: str, chars_max: int = NAME_CHARS_MAX) -> str:
    """Return a text without control characters, cut."""
    return " ".join(_CONTROL.sub(" ", text).split())[:chars_max].rstrip()


def address_of(*parts: str | None) -> str:
    """Return an address of its parts, one a line."""
    lines = [line for part in parts if part and (line := one_line(part, ADDRESS_CHARS_MAX))]
    return "\n".join(dict.fromkeys(lines))[:ADDRESS_CHARS_MAX].rstrip()


def order_id_of(channel: str, channel_order_id: str, revision: int) -> str:
    """Return this cloud's name for a channel's order: it can be read where it can be an id, else it is a digest."""
    readable = f"{channel}.{channel_order_id}"
    if not _SAFE.fullmatch(channel_order_id) or len(readable) > 52:
        digest = blake2b(channel_order_id.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()
        readable = f"{channel[:24]}.x{digest}"
    return readable if revision == 1 else f"{readable}.r{revision}"


def checked_id(text: str) -> str:
    """Return a channel's id; raise ChannelError for one that is empty, too long or unprintable."""
    if not 0 < len(text) <= ID_CHARS_MAX or _CONTROL.search(text):
        raise ChannelError("channel_shape", f"id {text[:40]!r}")
    return text
