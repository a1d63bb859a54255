"""Paths into a row: `sale.sale_id` names a field of a field, by the names on the wire. Pure.

Checked against the row's Struct when a declaration is made, so that a wrong one stops the start and not a batch.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields


def field_at(row: type[Struct], path: str) -> FieldInfo:
    """Return the field that a path ends at; raise ValueError with what there is instead."""
    return _walk(row, path)[-1]


def attributes_at(row: type[Struct], path: str) -> str:
    """Return a path by the names in Python, as attrgetter takes it."""
    return ".".join(field.name for field in _walk(row, path))


def getter(row: type[Struct], paths: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function from a row to the values at these paths, always a tuple. Any: each path has its own type."""
    names = [attributes_at(row, path) for path in paths]
    if not names:
        return lambda _: ()
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda value: (get(value),)


def part_of(row: type[Struct], types: Mapping[str, Any]) -> type[Struct]:
    """Return a Struct with only the fields of these paths: a row of which little is wanted is read at half the cost.

    `types` gives each path the type it is read as; Any: a type may be annotated. Names, tag and defaults are those of the row.
    """
    wanted: dict[str, dict[str, Any]] = {}
    for path in types:
        head, _, rest = path.partition(".")
        wanted.setdefault(head, {})[rest] = types[path]
    defined: list[Any] = []
    for name, inner in wanted.items():
        field = field_at(row, name)
        kind = inner[""] if "" in inner else part_of(struct_of(field), inner)
        given = msgspec.field(name=name) if field.required else msgspec.field(name=name, default=default_of(field))
        defined.append((field.name, kind, given))
    config = row.__struct_config__
    return msgspec.defstruct(
        f"{row.__name__}Part", defined, kw_only=True, tag=config.tag, tag_field=config.tag_field, gc=False
    )


def struct_of(field: FieldInfo) -> type[Struct]:
    """Return the Struct that a field holds; raise ValueError where it holds none, or may be without."""
    kind = _bare(field.type)
    if not (isinstance(kind, type) and issubclass(kind, Struct)):
        raise ValueError(f"{field.encode_name!r} holds no fields of its own")
    return kind


def is_optional(field: FieldInfo) -> bool:
    """Whether a field may be null."""
    return NoneType in get_args(_bare(field.type))


def plain_type(field: FieldInfo) -> Any:
    """Return a field's type without null and without bounds. Any: it may be a generic one."""
    kind = _bare(field.type)
    if get_origin(kind) in (Union, UnionType):
        kinds = [each for each in get_args(kind) if each is not NoneType]
        return _bare(kinds[0]) if len(kinds) == 1 else kind
    return kind


def default_of(field: FieldInfo) -> Any:  # Any: of the field's type
    """Return what a field says when a row leaves it out."""
    return field.default if field.default is not NODEFAULT else field.default_factory()


def _walk(row: type[Struct], path: str) -> list[FieldInfo]:
    walked: list[FieldInfo] = []
    for name in path.split("."):
        here = struct_of(walked[-1]) if walked else row
        known = {field.encode_name: field for field in fields(here)}
        if name not in known:
            raise ValueError(f"no field {name!r} (of {path!r}) in {here.__name__}; known: {', '.join(known)}")
        walked.append(known[name])
    return walked


def _bare(kind: Any) -> Any:  # Any: types
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind
