"""Values of rows in columns, and rows out of columns again, byte for byte as msgspec writes their Struct.

Any: a row's values are of the entity's own types, a column's of SQLite's.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from sync.kinds import Shape
from sync.paths import attributes_at, field_at, struct_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_encoder = msgspec.json.Encoder()
Columns = Sequence[Sequence[Any]]
"""The values of many rows, by column: each step is taken for all rows at once."""
Source = tuple[str, str, Shape]
"""A path of a row, the column that holds it, and how."""


@dataclass(frozen=True, slots=True)
class Writer:
    """The columns that a row is made of, in their order, and the function from their values to the bytes of the rows."""

    columns: tuple[str, ...]
    write: Callable[[Columns], list[bytes]]


def column_value(shape: Shape, value: Any) -> Any:
    """Return a row's value as it stands in a column."""
    if value is None or shape in (Shape.PLAIN, Shape.FLAG):
        return value
    if shape is Shape.UTC_MS:
        return (value - _EPOCH) // _MS
    return msgspec.json.encode(value, order="sorted").decode()


def row_value(shape: Shape, value: Any) -> Any:
    """Return a column's value as it stands in a row."""
    if value is None or shape is Shape.PLAIN:
        return value
    if shape is Shape.FLAG:
        return bool(value)
    return _EPOCH + value * _MS if shape is Shape.UTC_MS else msgspec.json.decode(value)


def writer_of(row: type[Struct], sources: Sequence[Source]) -> Writer:
    """Return the writer of rows of which these columns hold all that has no default."""
    if all("." not in path for path, _, _ in sources):
        return _flat(row, sources)
    return _nested(row, sources)


def _flat(row: type[Struct], sources: Sequence[Source]) -> Writer:
    """Values in the order of the fields fill Structs by position: a third of the time that names take."""
    by_path = {path: (column, shape) for path, column, shape in sources}
    columns, shapes = zip(*(by_path.get(f.encode_name) or (_literal(f), Shape.PLAIN) for f in fields(row)), strict=True)
    shaped = [(at, shape) for at, shape in enumerate(shapes) if shape is not Shape.PLAIN]
    positional = _by_position(row)

    def write(found: Columns) -> list[bytes]:
        said = list(found)
        for at, shape in shaped:
            said[at] = [row_value(shape, value) for value in said[at]]
        return _written(map(positional, *said))

    return Writer(columns, write)


def _by_position(row: type[Struct]) -> Callable[..., Struct]:
    """Return a Struct that is written as `row` is and takes its values in the order of the fields."""
    config = row.__struct_config__
    defined = [(field.name, Any, _default_of(field)) for field in fields(row)]
    return msgspec.defstruct(
        row.__name__, defined, tag=config.tag, tag_field=config.tag_field, omit_defaults=config.omit_defaults, gc=False
    )


def _default_of(field: FieldInfo) -> Any:
    """A field without a default gets one that is never left out, as msgspec does with what a function makes."""
    if field.default is not NODEFAULT:
        return msgspec.field(default=field.default, name=field.encode_name)
    return msgspec.field(default_factory=lambda: None, name=field.encode_name)


def _literal(field: FieldInfo) -> str:
    """SQL for what a field says that no column holds."""
    value = field.default if field.default is not NODEFAULT else field.default_factory()
    assert isinstance(value, int | str) and "'" not in str(value), (
        f"{field.encode_name}: kept in no column, and no constant"
    )
    return str(int(value)) if isinstance(value, int) else f"'{value}'"


def _nested(row: type[Struct], sources: Sequence[Source]) -> Writer:
    paths = [attributes_at(row, path).split(".") for path, _, _ in sources]
    shapes = [shape for _, _, shape in sources]
    inner = {
        path[0]: struct_of(field_at(row, name.split(".")[0]))
        for path, (name, _, _) in zip(paths, sources, strict=True)
        if path[1:]
    }

    def struct_from(found: Sequence[Any]) -> Struct:
        values: dict[str, Any] = {}
        parts: dict[str, dict[str, Any]] = {head: {} for head in inner}
        for path, shape, value in zip(paths, shapes, found, strict=True):
            target = parts[path[0]] if path[1:] else values
            target[path[-1]] = row_value(shape, value)
        return row(**values, **{head: inner[head](**given) for head, given in parts.items()})

    def write(found: Columns) -> list[bytes]:
        return _written(map(struct_from, zip(*found, strict=True)))

    return Writer(tuple(column for _, column, _ in sources), write)


def _written(rows: Iterable[Struct]) -> list[bytes]:
    """Encode all at once: JSON that is written here has no line break within a row."""
    return _encoder.encode_lines(list(rows)).split(b"\n")[:-1]
