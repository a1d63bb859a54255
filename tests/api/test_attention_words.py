"""What the manager's list says: words in both languages for every code that may stand in it."""

import re
from pathlib import Path
from string import Formatter

import hub
from hub.api.problems import LANGUAGES
from hub.api.stock.attention import KINDS
from hub.api.stock.attention_words import said, words
from hub.medium.copying import REMEDIES
from hub.store.people.coupons import _AGAINST
from hub.store.stock.attention import Waiting
from sync.retail.orders.orders import OrderState

FLAGS = {
    code
    for room in ("hub", "sync")
    for path in (Path(hub.__path__[0]).parent / room).rglob("*.py")
    for code in re.findall(r'\bFlag\(\s*"(\w+)"', path.read_text())
}


def places(words: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(words) if name}


def test_both_languages_have_words_for_every_kind_and_fill_in_the_same_parts() -> None:
    en, zh = (words(language) for language in LANGUAGES)

    assert set(en["said"]) == set(zh["said"]) == KINDS | {"claim_without_receipt", "backup_none"}
    for code, text in en["said"].items():
        assert places(text) == places(zh["said"][code]), code


def test_every_code_that_a_part_may_hold_has_words() -> None:
    assert len(FLAGS) >= 10, "the search finds the flags"
    for language in LANGUAGES:
        known = words(language)
        assert set(known["flags"]) == FLAGS
        assert set(known["against"]) == set(_AGAINST)
        assert set(known["steps"]) == set(OrderState)
        assert set(known["why"]) == set(REMEDIES)


def test_a_code_of_a_newer_machine_is_shown_as_it_is() -> None:
    line = Waiting("document", "d1", {"flags": [{"code": "melted", "of": "ICE-1"}, {"code": "overdraw", "of": ""}]})

    assert said(line) == {
        "en": "melted (ICE-1); More than the shop had a right to",
        "zh-Hant": "melted（ICE-1）；超出本店可用數量",
    }


def test_amounts_are_written_as_money() -> None:
    line = Waiting("dispute", "r1", {"serial": "TEN1", "amount": 1050, "currency": "TWD"})

    assert said(line)["en"] == "TEN1 had no use left; this shop bears TWD 10.50"
