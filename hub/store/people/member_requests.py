"""What is asked of members, as a client sends it: one struct a write, with the id that the client made for it.

Not here: what becomes of it (hub.store.people.members), HTTP (hub.api.people.members).
"""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sync.retail.people.consents import Choice, Purpose
from sync.retail.people.identities import IdentityKind
from sync.retail.selling.sales import Id, ShortText

BY_HAND: Final = "by hand"
Language = Annotated[str, Meta(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*\Z")]
Month = Annotated[int, Meta(ge=1, le=12)]
Tier = Annotated[str, Meta(max_length=40, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
Identities = Annotated[dict[IdentityKind, ShortText], Meta(max_length=20)]


class Enrolment(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A new member, with at least one identity. `member_id` is made by the client.

    An identity that another member has is refused (409, `holder` is that member); `join` enrols and joins the two. What has
    happened already (`offline`) is never refused for it: a warning says so.
    """

    member_id: Id
    name: ShortText = ""
    phone: ShortText | None = None
    email: ShortText | None = None
    card: ShortText | None = None
    line_id: ShortText | None = None
    identities: Identities = {}
    language: Language | None = None
    birth_month: Month | None = None
    consents: dict[Purpose, Choice] = {}
    how: Id | None = None
    join: bool = False
    offline: bool = False


class MemberEdit(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What changes of a person; what is left out stays, null takes it away."""

    edit_id: Id
    name: ShortText | UnsetType = UNSET
    phone: ShortText | UnsetType | None = UNSET
    email: ShortText | UnsetType | None = UNSET
    card: ShortText | UnsetType | None = UNSET
    line_id: ShortText | UnsetType | None = UNSET
    identities: Annotated[dict[IdentityKind, ShortText | None], Meta(max_length=20)] = {}
    language: Language | UnsetType | None = UNSET
    birth_month: Month | UnsetType | None = UNSET
    note: ShortText | UnsetType = UNSET
    offline: bool = False


class Join(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Two members are one person."""

    link_id: Id
    other: Id
    evidence: Literal["by hand", "document", "told"] = BY_HAND


class Unjoin(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A link was none."""

    undo_id: Id
    link_id: Id
    reason: Literal["mistake", "asked", "other"] = "mistake"


class Consent(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A member says yes or no to a purpose; `how` says where, as the form that was signed."""

    consent_id: Id
    purpose: Purpose
    choice: Choice
    how: Id | None = None


class TierGiven(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A shop without a cloud gives a tier, or takes it away (empty)."""

    tier_id: Id
    tier: Tier
