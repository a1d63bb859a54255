"""Which attached devices look like the replacement of a configured one that is missing. Pure; a person decides.

    same_model  a free device of the vendor and product that the missing one has, or had when it was last seen
    same_kind   a free device of its subsystem that was plugged in while the hub ran: another make of scanner, perhaps

Free is what no device of the configuration means. Not here: what taking over is (hub.attachments).
"""

from collections.abc import Collection, Sequence
from typing import Literal

from msgspec import Struct

from devices.plug.attachment import Attached, Match, Subsystem, matches

Likeness = Literal["same_model", "same_kind"]


class Wanted(Struct, frozen=True):
    """A configured device that is found by `match`; `last` is what it was when it was last found."""

    device_id: str
    subsystem: Subsystem
    match: Match
    last: Attached | None = None

    def is_meant(self, attached: Attached) -> bool:
        """Whether this is the device that is configured."""
        return attached.subsystem == self.subsystem and matches(self.match, attached)


class Offer(Struct, frozen=True):
    """`attached` looks like the replacement of `device_id`."""

    device_id: str
    attached: Attached
    likeness: Likeness


def offers(
    wanted: Sequence[Wanted], attached: Sequence[Attached], *, arrived: Collection[str], taken: Collection[str]
) -> list[Offer]:
    """Return who may be replaced by what, in the order of the configuration. `arrived`, `taken`: nodes new here, or in use."""
    free = [each for each in attached if each.node not in taken and not any(one.is_meant(each) for one in wanted)]
    missing = [one for one in wanted if not any(one.is_meant(each) for each in attached)]
    found = ((one, each, _likeness(one, each, arrived)) for one in missing for each in free)
    return [Offer(one.device_id, each, likeness) for one, each, likeness in found if likeness is not None]


def _likeness(wanted: Wanted, attached: Attached, arrived: Collection[str]) -> Likeness | None:
    if attached.subsystem != wanted.subsystem:
        return None
    models = {(wanted.match.vendor, wanted.match.product)}
    if wanted.last is not None:
        models.add((wanted.last.vendor, wanted.last.product))
    if (attached.vendor, attached.product) in models and attached.vendor:
        return "same_model"
    return "same_kind" if attached.node in arrived else None
