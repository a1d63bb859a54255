"""What a member is known by: telephone, card, e-mail, LINE id, declared kinds. Canonical forms, keyed hashes. Pure.

    phone     E.164 (ITU-T), whatever way it is written: full-width digits, IDD prefix, trunk 0; by the store's region
    email     NFKC, small letters
    card      letters and digits, capital; blanks and hyphens mean nothing
    line_id   small letters; a LINE user id (U and 32 hex digits) as well as a LINE ID
    declared  as card, and it fits the declared pattern

A fact names an identity by HMAC-SHA256 of its canonical form under a key of the chain, cut to 128 bits (RFC 2104, 5): nobody
without the key can try all telephone numbers against it. Clear values live in the member's register only. A key is a
register of authority CLOUD, which a hub holds until a cloud is joined, as it does the catalogue; keys are added, never replaced:
who looks up hashes under each of them.

Not here: who is one person (sync.retail.people.people), storage. Source: the design, 3.3 (Member).
"""

import hmac
import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache, lru_cache
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

from sync.errors import RuleError
from sync.kinds import Authority, Column, Entity, Kind, PassedOn, Shape
from sync.retail.selling.sales import Id

PHONE, EMAIL, CARD, LINE = "phone", "email", "card", "line_id"
KINDS: Final = (PHONE, CARD, EMAIL, LINE)
TEXT_MAX = 200
KEY_BYTES = 32
HASH_BYTES = 16
KEYS_BEGUN = 64
_EMAIL = re.compile(r"[^\s@<>\",;:\\\[\]()]{1,64}@[^\s@.]+(\.[^\s@.]+)+")
_NO_DIGITS = re.compile(r"\D+")
_CARD = re.compile(r"[0-9A-Z]{3,40}")
_LINE = re.compile(r"[a-z0-9][a-z0-9._-]{0,49}")
_FILLING = re.compile(r"[\s\-‐-―−]+")

IdentityKind = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[a-z][a-z0-9_]*\Z")]


class DeclaredKind(Struct, frozen=True, forbid_unknown_fields=True):
    """A further kind: what its canonical form looks like. `hard`: one person has one; two make the person contested."""

    pattern: Annotated[str, Meta(min_length=1, max_length=200)]
    hard: bool = False


class IdentityFact(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="identity"):
    """A member is known by this; taken back by an `undo` that names it. `identity_id` is made anew for each write."""

    v: int = 1
    identity_id: Id
    member_id: Id
    of: IdentityKind
    hash: str
    key_id: str
    at: datetime


class IdentityKeyRow(Struct, frozen=True, kw_only=True):
    """A key under which identities are hashed: `secret` in hex. The newest of the chain's, else the shop's own, writes."""

    v: int = 1
    key_id: str
    n: int
    gone: bool = False
    secret: str
    is_chains: bool
    begun_at: datetime


def canonical(kind: str, text: str, *, region: str | None, declared: Mapping[str, DeclaredKind] = {}) -> str:
    """Return the one form of an identity; raise RuleError (identity, or identity_kind for a kind that nobody declares).

    The error names the kind and what is wrong, never the value.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if not plain or len(plain) > TEXT_MAX:
        raise RuleError("identity", f"/{kind}", f"{kind}: empty, or longer than {TEXT_MAX} characters")
    if kind == PHONE:
        return _e164(plain, region)
    if kind == EMAIL:
        return _fitting(_EMAIL, plain.casefold(), kind)
    if kind == LINE:
        return _fitting(_LINE, plain.lower(), kind)
    packed = _FILLING.sub("", plain).upper()
    if kind == CARD:
        return _fitting(_CARD, packed, kind)
    if kind not in declared:
        known = ", ".join((*KINDS, *declared))
        raise RuleError("identity_kind", f"/identities/{kind}", f"no identity kind {kind!r}; kinds: {known}")
    return _fitting(re.compile(declared[kind].pattern), packed, kind)


def keyed_hash(secret: bytes, kind: str, form: str) -> str:
    """Return what a fact says instead of an identity."""
    begun = _begun(secret).copy()
    begun.update(f"{kind}\0{form}".encode())
    return begun.digest()[:HASH_BYTES].hex()


@lru_cache(KEYS_BEGUN)
def _begun(secret: bytes) -> hmac.HMAC:
    return hmac.new(secret, digestmod="sha256")  # a third of a hash


def new_key(secret: str, *, is_chains: bool, begun_at: datetime) -> IdentityKeyRow:
    """Return a key of 64 random hex digits; its name says nothing of it."""
    key_id = keyed_hash(bytes.fromhex(secret), "key", "")
    return IdentityKeyRow(key_id=key_id, n=1, secret=secret, is_chains=is_chains, begun_at=begun_at)


def region_of(currency: str) -> str:
    """Return the region whose telephone numbers a shop means: ISO 4217 begins with the country.

    A currency of many countries names none: then numbers are written with + and country.
    """
    return currency[:2]


def is_region(region: str) -> bool:
    """Whether telephone numbers of a region are known."""
    import phonenumbers  # here: a hub that looks up no member saves its start

    return region in phonenumbers.SUPPORTED_REGIONS


def _e164(text: str, region: str | None) -> str:
    """Of the ways to read a number the first that is one: as the region dials it, with the ITU's 00, without any prefix."""
    import phonenumbers

    plain = _mobile(text, region)
    if plain is not None:
        return plain
    for written in _ways(text):
        try:
            number = phonenumbers.parse(written, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return f"+{number.country_code}{phonenumbers.national_significant_number(number)}"
    raise RuleError("identity", "/phone", f"phone: no number that is given out ({_why(region)})")


def _mobile(text: str, region: str | None) -> str | None:
    """Return a mobile number of the region that is digits alone, or + and digits; None for what the library has to read.

    What it says of these takes it a dozen patterns, two thirds of a look-up's time.
    """
    plan = _plan(region) if region else None
    if plan is None:
        return None
    digits = text.replace(" ", "").removeprefix(plan.prefix)
    is_plain = digits.isascii() and digits.isdigit() and len(digits) in plan.lengths
    is_mobile = is_plain and plan.general.fullmatch(digits) and plan.mobile.fullmatch(digits)
    return plan.prefix + digits if is_mobile else None


class _Plan(NamedTuple):
    """How a region's mobile numbers look: `prefix` is + and the country's code."""

    prefix: str
    lengths: tuple[int, ...]
    general: re.Pattern[str]
    mobile: re.Pattern[str]


@cache
def _plan(region: str) -> _Plan | None:
    """Return the plan where numbers are dialled as they are; None for a region whose own prefixes the library has to read."""
    import phonenumbers

    said = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    if said is None or said.national_prefix_for_parsing or not (said.general_desc and said.mobile):
        return None
    general, mobile = said.general_desc.national_number_pattern, said.mobile.national_number_pattern
    if not general or not mobile:
        return None
    return _Plan(f"+{said.country_code}", said.mobile.possible_length, re.compile(general), re.compile(mobile))


def _ways(text: str) -> Iterator[str]:
    yield text
    digits = _NO_DIGITS.sub("", text)
    yield f"+{digits.removeprefix('00')}"
    yield f"+{digits}"


def _why(region: str | None) -> str:
    return f"read in {region}; write others with + and country" if region else "write it with + and country"


def _fitting(pattern: re.Pattern[str], form: str, kind: str) -> str:
    if pattern.fullmatch(form) is None:
        at = f"/{kind}" if kind in KINDS else f"/identities/{kind}"
        raise RuleError("identity", at, f"{kind}: not of the form that it has")
    return form


IDENTITY = Entity(
    name="identity",
    stream="people",
    kind=Kind.FACT,
    table="identity",
    passed_on=PassedOn.BESIDE,
    row=IdentityFact,
    doc="What a member is known by, as a keyed hash.",
    key=(Column("identity_id", path="identity_id"),),
    columns=(
        Column("member_id", path="member_id", is_indexed=True),
        Column("of", path="of"),
        Column("hash", path="hash"),
    ),
    dated="at",
)

IDENTITY_KEY = Entity(
    name="identity_key",
    stream="identity_keys",
    kind=Kind.REGISTER,
    authority=Authority.CLOUD,
    table="identity_key",
    row=IdentityKeyRow,
    doc="A key under which identities are hashed.",
    key=(Column("key_id", path="key_id"),),
    columns=(
        Column("secret", path="secret"),
        Column("is_chains", "INTEGER", path="is_chains", shape=Shape.FLAG),
        Column("begun_ms", "INTEGER", path="begun_at", shape=Shape.UTC_MS),
    ),
)
