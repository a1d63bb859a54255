"""The import report: what was read, refused, altered, left out; and its text for the terminal in both languages.

Pure. A *refusal* is rows that became no product; a *note* is something altered or left out of a product that came in.
rows_read = products + refused + rows_merged + rows_repeated + rows_replaced, always.
"""

from typing import Literal

from msgspec import Struct

from hub.importing.reasons import HEADINGS, REASONS

EXAMPLES_MAX = 10
"""Examples kept for each reason; further ones are only counted."""
VALUE_CHARS_MAX = 120

Language = Literal["en", "zh-Hant"]


class Example(Struct, frozen=True):
    """One row of the file and the value in it that was wrong."""

    row: int
    value: str


class ImportReport(Struct, frozen=True):
    """What an import found. Counts are rows but for `notes`, which counts values.

    `rows_merged` were folded into a product by the file's shape (invoice lines), `rows_repeated` had the SKU and
    content of another row, `rows_replaced` its SKU but other content (the last row stands).
    """

    file: str
    shape: str
    encoding: str
    rows_read: int
    products: int
    without_barcode: int
    rows_merged: int
    rows_repeated: int
    rows_replaced: int
    refused: dict[str, int]
    notes: dict[str, int]
    examples: dict[str, tuple[Example, ...]]
    columns_ignored: tuple[str, ...] = ()

    @property
    def rows_refused(self) -> int:
        """Rows that became no product, for whatever reason."""
        return sum(self.refused.values())


class Tally:
    """Counts while rows go by; turned into an ImportReport at the end."""

    def __init__(self) -> None:
        self.rows_read = 0
        self.rows_merged = 0
        self.rows_repeated = 0
        self.rows_replaced = 0
        self.refused: dict[str, int] = {}
        self.notes: dict[str, int] = {}
        self._examples: dict[str, list[Example]] = {}

    def refuse(self, row: int, reason: str, value: str, *, rows: int = 1) -> None:
        """Count rows that become no product, the first of them being `row`."""
        self.refused[reason] = self.refused.get(reason, 0) + rows
        self._keep(row, reason, value)

    def note(self, row: int, what: str, value: str) -> None:
        """Count something that was altered or left out in a row that is imported."""
        self.notes[what] = self.notes.get(what, 0) + 1
        self._keep(row, what, value)

    def examples(self, reason: str) -> list[Example]:
        """Return the examples kept for the reason so far."""
        return self._examples.get(reason, [])

    def _keep(self, row: int, reason: str, value: str) -> None:
        examples = self._examples.setdefault(reason, [])
        if len(examples) < EXAMPLES_MAX:
            examples.append(Example(row, value[:VALUE_CHARS_MAX]))

    def report(
        self,
        *,
        file: str,
        shape: str,
        encoding: str,
        products: int,
        without_barcode: int,
        columns_ignored: tuple[str, ...] = (),
    ) -> ImportReport:
        """Return the finished report."""
        return ImportReport(
            file=file,
            shape=shape,
            encoding=encoding,
            rows_read=self.rows_read,
            products=products,
            without_barcode=without_barcode,
            rows_merged=self.rows_merged,
            rows_repeated=self.rows_repeated,
            rows_replaced=self.rows_replaced,
            refused=self.refused,
            notes=self.notes,
            examples={reason: tuple(examples) for reason, examples in self._examples.items()},
            columns_ignored=columns_ignored,
        )


def render(report: ImportReport, language: Language = "en") -> str:
    """Return the report as lines for a terminal, most frequent reasons first, ending with a newline."""
    words = HEADINGS[language]
    lines = [f"{report.file}: {words['shape']} {report.shape}, {report.encoding}"]
    lines += [
        f"  {words[label]}: {count:,}"
        for label, count in (
            ("rows_read", report.rows_read),
            ("products", report.products),
            ("without_barcode", report.without_barcode),
            ("rows_merged", report.rows_merged),
            ("rows_repeated", report.rows_repeated),
            ("rows_replaced", report.rows_replaced),
            ("rows_refused", report.rows_refused),
        )
        if count or label in ("rows_read", "products", "without_barcode", "rows_refused")
    ]
    if report.columns_ignored:
        lines.append(f"  {words['columns_ignored']}: {', '.join(map(_visible, report.columns_ignored))}")
    for label, counts in (("refused", report.refused), ("notes", report.notes)):
        if counts:
            lines.append(f"{words[label]}:")
        for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            lines += _reason_lines(report, reason, count, language)
    return "\n".join(lines) + "\n"


def _reason_lines(report: ImportReport, reason: str, count: int, language: Language) -> list[str]:
    words = HEADINGS[language]
    english, chinese = REASONS.get(reason, (reason, reason))
    lines = [f"  {count:>7,}  {reason}: {chinese if language == 'zh-Hant' else english}"]
    examples = [f"{words['row']} {example.row}: {_visible(example.value)}" for example in report.examples[reason]]
    lines += [f"           {example}" for example in examples]
    return lines


def _visible(text: str) -> str:
    """Return the text with control characters written out: a file must not send escape sequences to a terminal."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
