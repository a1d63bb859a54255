"""How the store's other hub stands, where there is one. Not here: what an operator does (docs/operating/standby.md)."""

from collections.abc import Iterator

from hub.commands.standby import obstacles
from hub.doctor.findings import Finding, warning, well
from hub.standby.hubs import StandbyReport


def look_at_other_hub(report: StandbyReport, *, is_wanted: bool) -> Iterator[Finding]:
    """Yield what stands against tills going over; nothing for a store of one hub. `is_wanted`: this hub is to follow one."""
    if len(report.hubs.items) == 1 and not is_wanted:
        return
    against = list(obstacles(report))
    for said, remedy in against:
        yield warning("other hub", said, remedy)
    if not against:
        yield well("other hub", "either hub can have all tills")
