"""[disk] of the configuration: what is given up for selling as the disk fills. Not here: who looks (hub.disk)."""

from typing import Annotated

from msgspec import Meta, Struct

from sync.errors import ConfigError

Mebibytes = Annotated[int, Meta(ge=0, le=1 << 20)]


class DiskSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[disk], in MiB that are free: below which one telemetry thins, then stops, then imports and copies are refused.

    `reserve_mib` is a file that gives its room to sales when there is no other, a step at a time. A stay of a visitor that is
    shorter than `thin_dwell_s` is not written where telemetry thins. 0 leaves a mark out.
    """

    thin_below_mib: Mebibytes = 512
    stop_below_mib: Mebibytes = 256
    refuse_below_mib: Mebibytes = 128
    reserve_mib: Mebibytes = 32
    thin_dwell_s: Annotated[int, Meta(ge=0, le=86_400)] = 60


def checked_disk(section: DiskSection) -> DiskSection:
    """Return the section; raise ConfigError where the marks are not in their order."""
    marks = [mark for mark in (section.thin_below_mib, section.stop_below_mib, section.refuse_below_mib) if mark]
    if marks != sorted(marks, reverse=True):
        raise ConfigError(
            f"disk: thin_below_mib {section.thin_below_mib}, stop_below_mib {section.stop_below_mib} and refuse_below_mib "
            f"{section.refuse_below_mib} go downwards: telemetry thins first, then stops, then imports are refused"
        )
    return section
