"""What was looked at, how it is, and the remedy."""

from typing import Literal

from msgspec import Struct

Level = Literal["well", "warning", "fault"]


class Finding(Struct, frozen=True):
    """One thing that was looked at. `fault`: the shop loses something now, or may at any time; `remedy` where it is not well."""

    about: str
    level: Level
    said: str
    remedy: str = ""


def well(about: str, said: str) -> Finding:
    """Nothing to do."""
    return Finding(about, "well", said)


def warning(about: str, said: str, remedy: str) -> Finding:
    """The shop sells, something is not as it should be."""
    return Finding(about, "warning", said, remedy)


def fault(about: str, said: str, remedy: str) -> Finding:
    """Somebody has to act."""
    return Finding(about, "fault", said, remedy)
