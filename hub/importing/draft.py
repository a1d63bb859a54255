"""What a shape hands to cleaning: a product as text found in the file, or the reason why a row is none.

Pure values; no shape and no cleaning rule lives here.
"""

from msgspec import Struct, field


class Draft(Struct, kw_only=True):
    """One product as the file has it: text, not yet cleaned; empty where the file says nothing.

    `price` is decimal text; `amount_minor` is set instead where the file has minor units. `name` is a name of unknown
    language. `rows` counts the file's rows that were folded into this draft, `row` is the one that it stands for.
    """

    row: int
    rows: int = 1
    sku: str = ""
    name: str = ""
    name_zh: str = ""
    name_en: str = ""
    gtins: tuple[str, ...] = ()
    price: str = ""
    amount_minor: int | None = None
    currency: str = ""
    per: str = ""
    unit: str = ""
    style: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    category: str = ""
    stock: str = ""
    stocked: str = ""


class Refusal(Struct, frozen=True):
    """Rows that become no product: a stable `reason`, the `value` that was wrong, the first `row` and how many."""

    row: int
    reason: str
    value: str
    rows: int = 1


class RowRefusedError(Exception):
    """A row is refused while it is read or cleaned; caught once per row and counted, the import goes on."""

    def __init__(self, reason: str, value: str) -> None:
        super().__init__(f"{reason}: {value}")
        self.reason = reason
        self.value = value


def text_of(value: object) -> str:
    """Return a cell's text: empty for none, digits for integers, true/false; RowRefusedError for lists and objects."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    raise RowRefusedError("value_shape", repr(value)[:60])


def object_of(value: object) -> dict[str, object]:
    """Return a nested JSON object, empty for none; RowRefusedError for anything else."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise RowRefusedError("value_shape", repr(value)[:60])
