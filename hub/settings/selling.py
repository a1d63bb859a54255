"""[tax] and [tenders.NAME] of the configuration: what a sale is held against.

[tax]            rate_bp, categories = { "food" = 500 }: the tax that prices contain, in basis points
[tenders.NAME]   kind (cash, card, wallet, voucher, mall, other), name_zh_hant, name_en; provider, reference: true where a sale
                 must name them; gives_change, opens_drawer (left out: true for cash); offline (accept, cap, refuse) and, for cap,
                 offline_max_minor; refund_in_cash: goods paid with it may be refunded in cash

Without a [tenders] section the usual ones are taken. Rules: sync.retail.selling.tax, sync.retail.selling.tenders.
"""

import re
from typing import Annotated

from msgspec import Meta, Struct

from sync.errors import ConfigError
from sync.retail.catalogue.catalogue import CATEGORY_CHARS_MAX
from sync.retail.names import Name
from sync.retail.selling.sales import AMOUNT_MAX, EXCHANGED
from sync.retail.selling.tax import BASIS_POINTS, TaxRates
from sync.retail.selling.tenders import USUAL_TENDERS, Offline, TenderKind, TenderType

TENDERS_MAX = 50
_TYPE = re.compile(r"[a-z0-9_]{1,32}")
RateBp = Annotated[int, Meta(ge=0, le=BASIS_POINTS)]
Category = Annotated[str, Meta(min_length=1, max_length=CATEGORY_CHARS_MAX)]
Words = Annotated[str, Meta(max_length=40)]


class TaxSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[tax]"""

    rate_bp: RateBp = 0
    categories: dict[Category, RateBp] = {}

    @property
    def rates(self) -> TaxRates:
        """The same for the rules."""
        return TaxRates(self.rate_bp, dict(self.categories))


class TenderSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[tenders.NAME]"""

    kind: TenderKind
    name_zh_hant: Words = ""
    name_en: Words = ""
    provider: bool = False
    reference: bool = False
    gives_change: bool | None = None
    opens_drawer: bool | None = None
    offline: Offline = "accept"
    offline_max_minor: Annotated[int, Meta(ge=0, le=AMOUNT_MAX)] | None = None
    refund_in_cash: bool = False


def tender_types(sections: dict[str, TenderSection]) -> tuple[TenderType, ...]:
    """Return the declared tenders, or the usual ones; raise ConfigError."""
    if len(sections) > TENDERS_MAX:
        raise ConfigError(f"tenders: {len(sections)} are declared; at most {TENDERS_MAX}")
    return tuple(_tender_type(name, section) for name, section in sections.items()) or USUAL_TENDERS


def _tender_type(name: str, section: TenderSection) -> TenderType:
    if _TYPE.fullmatch(name) is None:
        raise ConfigError(f"tenders.{name}: a tender's name has small letters, digits and underscores, at most 32")
    if name == EXCHANGED:
        raise ConfigError(f"tenders.{name}: the hub writes this tender itself; choose another name")
    if not (section.name_zh_hant or section.name_en):
        raise ConfigError(f"tenders.{name}: give name_zh_hant, name_en or both; receipts show it")
    if (section.offline == "cap") != (section.offline_max_minor is not None):
        raise ConfigError(f'tenders.{name}: offline_max_minor belongs to offline = "cap"; give both, or none')
    is_cash = section.kind == "cash"
    return TenderType(
        type=name,
        kind=section.kind,
        name=Name(zh_hant=section.name_zh_hant, en=section.name_en),
        needs_provider=section.provider,
        needs_reference=section.reference,
        gives_change=is_cash if section.gives_change is None else section.gives_change,
        opens_drawer=is_cash if section.opens_drawer is None else section.opens_drawer,
        offline=section.offline,
        offline_max=section.offline_max_minor or 0,
        refund_in_cash=section.refund_in_cash,
    )
