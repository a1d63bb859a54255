"""The console's words: both languages say everything, and every word that the page asks for is there."""

import re
from pathlib import Path
from typing import get_args

import hub.console
from devices import remedies
from devices.codecs.labels import RefusalReason
from hub.store.staff.approvals import ACTIONS
from sync.line.state import REMEDIES
from sync.retail.catalogue.promotions import Why
from sync.retail.orders.order_rows import OrderKind
from sync.retail.orders.orders import Flag, OrderState
from sync.retail.people.coupons import Refusal, Verdict

FOLDER = Path(hub.console.__path__[0])
WORDS = ("words.js", "words-pages.js")
CODE = "\n".join(path.read_text() for path in FOLDER.glob("*.js") if path.name not in (*WORDS, "uPlot.js"))
PAGES = "\n".join(path.read_text() for path in FOLDER.glob("*.html"))
_KEY = re.compile(r'(?:[{,]|^)\s*(?:(\w+)|"([\w.]+)"): "((?:[^"\\]|\\.)*)"', re.MULTILINE)


def words_of(language: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in WORDS:
        block = (FOLDER / file).read_text().split(f"  {language}: {{\n")[1].split("\n  },")[0]
        words = {plain or quoted: words for plain, quoted, words in _KEY.findall(block)}
        assert not found.keys() & words.keys(), "a key stands in one file"
        found |= words
    return found


def test_both_languages_have_the_same_keys_and_the_same_places_to_fill_in() -> None:
    english, chinese = words_of("en"), words_of('"zh-Hant"')
    assert english.keys() == chinese.keys()
    assert len(english) > 100
    for key, words in english.items():
        assert sorted(re.findall(r"\{\d\}", words)) == sorted(re.findall(r"\{\d\}", chinese[key])), key
        assert chinese[key].strip(), key


def test_every_word_that_page_and_code_ask_for_exists() -> None:
    asked = set(re.findall(r'\bt\("(\w+)"', CODE)) | set(re.findall(r'data-w(?:-label|-placeholder)?="(\w+)"', PAGES))
    assert asked and asked <= words_of("en").keys()


def test_every_reason_of_the_line_has_words_and_a_remedy_in_both_languages() -> None:
    for language in ("en", '"zh-Hant"'):
        words = words_of(language)
        assert not [reason for reason in REMEDIES if f"line.reason.{reason}" not in words]
        assert not [reason for reason in REMEDIES if f"remedy.{reason}" not in words]


def test_every_reason_of_a_device_that_cannot_be_opened_has_words_in_both_languages() -> None:
    named = {each.reason for each in vars(remedies).values() if isinstance(each, remedies.Remedy)}
    named |= {"ambiguous", "no_udev", "stuck", "blocked", "driver_failed", "ended"}
    for language in ("en", '"zh-Hant"'):
        assert not [reason for reason in named if f"reason.{reason}" not in words_of(language)]


def test_chinese_is_the_only_place_of_chinese_words() -> None:
    assert not re.search(r"[一-鿿]", CODE)


def test_everything_that_a_document_a_person_or_an_approval_may_say_has_words() -> None:
    """The words for codes are held against the code that says them, so that a new one is not shown as it is."""
    sources = "\n".join(
        path.read_text() for room in ("hub", "sync") for path in (FOLDER.parents[1] / room).rglob("*.py")
    )
    codecs = FOLDER.parents[1] / "devices" / "codecs"
    labels = "\n".join((codecs / f"{name}.py").read_text() for name in ("gtin", "gs1_elements", "variable_measure"))
    asked = {
        *(f"flag.{code}" for code in re.findall(r'\bFlag\(\s*"(\w+)"', sources)),
        *(f"did.{deed}" for deed in re.findall(r'\bnote\(\s*tx,[^)]*?\baction="(\w+)"', sources)),
        *(f"deed.{action}" for action in ACTIONS),
        *(f"against.{refusal}" for refusal in Refusal),
        *(f"why.{why}" for why in get_args(Why)),
        *(f"verdict.{verdict}" for verdict in Verdict),
        *(f"kind.{kind}" for kind in re.findall(r'"kind": "(\w+)"', (FOLDER.parent / "attached/scans.py").read_text())),
        *(f"scan.{reason}" for reason in (*re.findall(r'LabelError\(\s*"(\w+)"', labels), *get_args(RefusalReason))),
        *(f"order.{state}" for state in OrderState),
        *(f"orderKind.{kind}" for kind in OrderKind),
        *(f"orderFlag.{flag}" for flag in Flag),
    }
    assert len(asked) > 40
    assert sorted(asked - words_of("en").keys()) == []
