"""Promise 3: every receipt asked for came out once, and says what was sold. Reads the printer's bytes, nothing of the ledger."""

import re
from collections import defaultdict
from dataclasses import dataclass, field

from devices.testing.escpos_reader import EscposReader
from devices.testing.paper import PaperCut, PaperElement, PaperLine
from hub.demo.auditor.evidence import Evidence, Json
from hub.demo.auditor.finding import Finding
from hub.demo.auditor.sales import amount, answered

_MARKS = ("重印", "副本")
_NUMBER = re.compile(r"單號 Receipt\s+(\S+)")
_LINE = re.compile(r"\s+(\d+)(?: g)? x ([\d.]+)(?: / (\d+)(?: g)?)?\s+(-?[\d.]+)")
_TOTAL = re.compile(r"合計 Total [A-Z]{3}\s+(-?[\d.]+)")
_ACCEPTED = 202


@dataclass(frozen=True, slots=True)
class Sheet:
    """A receipt as it lies in the tray; one without its total, or without the cut, is torn."""

    number: str
    is_marked: bool
    is_whole: bool
    lines: tuple[tuple[int, int, int, int], ...]  # qty, unit price, per, amount
    total: int | None


@dataclass(slots=True)
class _Pile:
    """All sheets with one number."""

    plain: list[Sheet] = field(default_factory=list)
    marked: list[Sheet] = field(default_factory=list)
    torn: list[Sheet] = field(default_factory=list)


def judge_paper(evidence: Evidence) -> Finding:
    """Hold the paper against what the tills asked for."""
    finding = Finding(3, "misprint", "every receipt comes out once, and is right")
    piles: dict[str, _Pile] = defaultdict(_Pile)
    for sheet in (sheet for stream in evidence.paper for sheet in read_sheets(stream, evidence.facts["encoding"])):
        pile = piles[sheet.number]
        (pile.torn if not sheet.is_whole else pile.marked if sheet.is_marked else pile.plain).append(sheet)
    known = {entry["answer"]["receipt_no"]: entry["sent"] for entry in answered(evidence, "sale")}
    again = _asked_again(evidence)
    for number, sale in known.items():
        pile = piles.pop(number, _Pile())
        for wrong in _wrong(pile, sale, again[sale["sale_id"]]):
            finding.blame(f"receipt {number} (sale {sale['sale_id']}): {wrong}")
        finding.count("receipts asked for", bool(sale.get("print")))
        finding.count("marked copies", len(pile.marked))
        finding.count("torn by a kill", len(pile.torn))
    for number in piles:
        finding.blame(f"a receipt {number or 'without a number'} came out that nobody asked for")
    finding.need("receipts asked for")
    return finding


def read_sheets(stream: bytes, encoding: str) -> list[Sheet]:
    """Return what one connection put on the paper, sheet by sheet."""
    reader = EscposReader(encoding)
    sheets: list[Sheet] = []
    elements: list[PaperElement] = []
    for element in [*reader.feed(stream), *reader.finish()]:
        elements.append(element)
        if isinstance(element, PaperCut):
            sheets.append(_sheet(elements, is_cut=True))
            elements = []
    rest = _sheet(elements, is_cut=False)
    return [*sheets, rest] if rest.number else sheets


def _sheet(elements: list[PaperElement], *, is_cut: bool) -> Sheet:
    texts = [element.text for element in elements if isinstance(element, PaperLine)]
    number = next((found[1] for text in texts if (found := _NUMBER.search(text))), "")
    total = next((_minor(found[1]) for text in texts if (found := _TOTAL.search(text))), None)
    lines = tuple(
        (int(found[1]), _minor(found[2]), int(found[3] or 1), _minor(found[4]))
        for text in texts
        if (found := _LINE.fullmatch(text))
    )
    is_marked = any(mark in text for text in texts for mark in _MARKS)
    return Sheet(number, is_marked, is_cut and total is not None, lines, total)


def _wrong(pile: _Pile, sale: Json, asked_again: int) -> list[str]:
    is_asked, wrong = bool(sale.get("print")), []
    if len(pile.plain) > is_asked:
        wrong.append(f"came out {len(pile.plain)} times without a mark, asked for {int(is_asked)}")
    if is_asked and not pile.plain and not pile.marked:
        wrong.append("never came out")
    if len(pile.marked) > asked_again:
        wrong.append(f"{len(pile.marked)} marked copies came out, asked for {asked_again}")
    if pile.torn and not pile.marked:
        wrong.append("was torn and not printed again")
    if pile.torn and pile.plain:
        wrong.append("was torn and then printed again without a mark")
    for sheet in pile.plain + pile.marked:
        if sheet.total != sale["total"]:
            wrong.append(f"its total is {sheet.total}, the sale's {sale['total']}")
        if sheet.lines != (expected := _expected(sale)):
            wrong.append(f"its lines are {sheet.lines}, the sale's {expected}")
    return wrong


def _expected(sale: Json) -> tuple[tuple[int, int, int, int], ...]:
    return tuple(
        (line["qty"], line["unit_price"], line.get("per", 1), amount(line) + line.get("discount", 0))
        for line in sale["lines"]
    )


def _asked_again(evidence: Evidence) -> dict[str, int]:
    """Return how often a person asked for a sale's receipt again: `retry` or `reprint` of its job."""
    count: dict[str, int] = defaultdict(int)
    for entry in [*evidence.asked("retry"), *evidence.asked("reprint")]:
        if entry["status"] == _ACCEPTED:
            count[entry["sale_id"]] += 1
    return count


def _minor(text: str) -> int:
    whole, _, cents = text.partition(".")
    sign = -1 if whole.startswith("-") else 1
    return sign * (abs(int(whole)) * 100 + int(cents.ljust(2, "0")))
