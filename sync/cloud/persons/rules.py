"""[members] of cloud.toml, checked: what customers of the web are known by, and what joins them to a shop's member.

region            TW, HK, …: whose telephone numbers are meant where no country is written
join              identity kinds by which a customer of the web is joined to who has it already; others wait for a person
identities.NAME   { pattern, hard }: as in the shops' [members.identities]

A channel's own number of a customer is of kind CHANNEL_id; nobody else has it.
"""

from typing import Annotated

from msgspec import Meta, Struct

from sync.retail.people.declared import check_declared
from sync.retail.people.identities import DeclaredKind, IdentityKind
from sync.retail.people.members import DECLARED
from sync.retail.people.people import HARD


class MembersSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[members] of cloud.toml."""

    region: Annotated[str, Meta(pattern=r"^([A-Z]{2})?\Z")] = ""
    join: list[str] = []
    identities: dict[IdentityKind, DeclaredKind] = {}

    @property
    def hard(self) -> tuple[str, ...]:
        """Cells of which a person has one value."""
        return (*HARD, *(f"{DECLARED}{name}" for name, kind in self.identities.items() if kind.hard))


def check_members(section: MembersSection) -> MembersSection:
    """Return the section; raise ConfigError with the key, the value and the remedy."""
    check_declared(section.region, section.identities, section.join)
    return section
