"""The shop's rules about members, as the configuration says them. Pure values; see hub.settings.members for the file."""

from collections.abc import Mapping

from msgspec import Struct

from sync.retail.people.identities import DeclaredKind
from sync.retail.people.members import DECLARED
from sync.retail.people.people import HARD
from sync.retail.people.points import PointsRule
from sync.retail.people.points_worth import PointsWorth


class MemberRules(Struct, frozen=True):
    """[members] as the store reads it; `has_cloud`: this ledger is not the only one."""

    region: str | None = None
    declared: Mapping[str, DeclaredKind] = {}
    join: tuple[str, ...] = ()
    points: PointsRule | None = None
    points_by_tier: Mapping[str, PointsRule] = {}
    points_worth: PointsWorth | None = None
    welcome: str | None = None
    burn_off_line_max: int = 0
    ask_timeout_s: float = 2.0
    has_cloud: bool = False

    @property
    def hard(self) -> tuple[str, ...]:
        """Cells of which a person has one value."""
        return (*HARD, *(DECLARED + name for name, kind in self.declared.items() if kind.hard))
