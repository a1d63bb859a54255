"""What an import of a file came to, for people: each row with its column, the reason and the remedy, in both languages."""

from collections.abc import Mapping

from msgspec import Struct

from sync.cloud.channels.files.orders import Plan, RowNote

LANGUAGES = ("en", "zh-Hant")
Texts = Mapping[str, Mapping[str, Mapping[str, str]]]
_WORDS = {
    "en": (
        "{rows} rows read as {encoding}: {orders} orders, {refused} rows refused, {notes} put right, {sums} sums left out",
        "row {row}, {column}: {title} ({said}). {remedy}",
        "Dry run: nothing was written.",
        "Written: {results}",
        "Goods nobody knows, assign a SKU: {items}",
    ),
    "zh-Hant": (
        "以 {encoding} 讀取 {rows} 列：{orders} 筆訂單，{refused} 列拒收，{notes} 列已修正，略過 {sums} 列合計",
        "第 {row} 列，{column}：{title}（{said}）。{remedy}",
        "試算：沒有寫入任何資料。",
        "已寫入：{results}",
        "不認得的商品，請指定 SKU：{items}",
    ),
}


class FileReport(Struct, frozen=True, kw_only=True):
    """What became of a file. `results`: orders by how they ended, empty in a dry run; `unknown`: names of goods without a SKU."""

    encoding: str
    rows: int
    orders: int
    sums: int
    refused: tuple[RowNote, ...]
    notes: tuple[RowNote, ...]
    unknown: tuple[str, ...]
    dry_run: bool
    results: dict[str, int]
    text: dict[str, str]


def report(plan: Plan, texts: Texts, *, unknown: tuple[str, ...], results: dict[str, int] | None) -> FileReport:
    """Return the report of a plan; no `results`: a dry run."""
    return FileReport(
        encoding=plan.encoding,
        rows=plan.rows,
        orders=len(plan.orders),
        sums=plan.sums,
        refused=plan.refused,
        notes=plan.notes,
        unknown=unknown,
        dry_run=results is None,
        results=results or {},
        text={language: _text(plan, texts, language, unknown, results) for language in LANGUAGES},
    )


def _text(plan: Plan, texts: Texts, language: str, unknown: tuple[str, ...], results: dict[str, int] | None) -> str:
    head, line, dry, written, goods = _WORDS[language]
    counts = {"rows": plan.rows, "encoding": plan.encoding, "orders": len(plan.orders), "sums": plan.sums}
    said = [head.format(**counts, refused=len(plan.refused), notes=len(plan.notes))]
    for note in (*plan.refused, *plan.notes):
        words = texts[note.code][language]
        said.append(line.format(row=note.row, column=note.column, said=note.said, **words))
    if unknown:
        said.append(goods.format(items=", ".join(unknown)))
    shown = ", ".join(f"{name} {count}" for name, count in sorted((results or {}).items()))
    said.append(dry if results is None else written.format(results=shown or "0"))
    return "\n".join(said)
