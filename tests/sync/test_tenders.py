"""What a shop asks of a tender: declared, with provider and reference, change only where it is given, off line its policy."""

from typing import Any

import pytest

from sync.retail.names import Name
from sync.retail.selling.sales import Tender
from sync.retail.selling.tenders import EXCHANGE_TENDER, USUAL_TENDERS, TenderType, examine, named_type


def declared(**fields: Any) -> tuple[TenderType, ...]:
    return (TenderType(type="card", kind="card", name=Name(en="Card"), **fields),)


def found(tender: Tender, types: tuple[TenderType, ...], *, is_cut_off: bool = False) -> list[tuple[str, str, bool]]:
    return [(each.code, each.field, each.is_refused) for each in examine(tender, types, is_cut_off=is_cut_off)]


def test_the_usual_tenders_ask_nothing_and_only_cash_gives_change() -> None:
    for each in USUAL_TENDERS:
        assert found(Tender(each.type, 100), USUAL_TENDERS, is_cut_off=True) == []
        assert bool(found(Tender(each.type, 100, tendered=200), USUAL_TENDERS)) == (each.type != "cash")


def test_a_tender_that_is_not_declared_is_refused_and_the_declared_ones_are_named() -> None:
    (finding,) = examine(Tender("gold", 100), declared(), is_cut_off=False)

    assert (finding.code, finding.field, finding.is_refused) == ("tender_unknown", "type", True)
    assert "card" in finding.detail


def test_provider_and_reference_are_asked_for_where_they_are_declared() -> None:
    types = declared(needs_provider=True, needs_reference=True)

    assert [code for code, *_ in found(Tender("card", 1), types)] == ["tender_provider", "tender_reference"]
    assert [code for code, *_ in found(Tender("card", 1, provider="", reference="x"), types)] == ["tender_provider"]
    assert found(Tender("card", 1, provider="visa", reference="x"), types) == []


@pytest.mark.parametrize(
    ("policy", "amount", "expected"),
    [
        ({"offline": "accept"}, 10**9, []),
        ({"offline": "refuse"}, 1, [("tender_offline", "type", True)]),
        ({"offline": "cap", "offline_max": 500}, 500, [("tender_offline", "amount", False)]),
        ({"offline": "cap", "offline_max": 500}, 501, [("tender_offline", "amount", True)]),
    ],
)
def test_without_a_line_the_declared_policy_decides(policy: dict[str, Any], amount: int, expected: list[Any]) -> None:
    assert found(Tender("card", amount), declared(**policy), is_cut_off=True) == expected
    assert found(Tender("card", amount), declared(**policy), is_cut_off=False) == []


def test_paper_names_a_tender_as_the_shop_declared_it_and_the_exchange_as_it_is_everywhere() -> None:
    types = declared()

    assert named_type(types, "card") is types[0]
    assert named_type(types, "exchange") is named_type((), "exchange") is EXCHANGE_TENDER
    assert named_type(types, "gold") is None
    assert (EXCHANGE_TENDER.name.zh_hant, EXCHANGE_TENDER.opens_drawer) == ("換貨抵付", False)
