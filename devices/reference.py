"""The page of supported devices and of their configuration, written from every driver's DRIVER and Options. Pure.

Not here: where the page lies, and who writes it (`storehub schema reference`).
"""

import inspect
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect as types

from devices.driver import Driver
from devices.registry import kinds, load

_HEAD = """# Supported devices

Written by `storehub schema reference` from the drivers in `devices/drivers/`; a test holds it against them. A device is a section
`[devices.NAME]` of the configuration with `kind = "…"` and the options of that kind; a misspelt kind or option stops the start
and names the nearest. `storehub probe` writes such sections for what is plugged in ([plug-and-play.md](plug-and-play.md)).

*Evidence* says what a driver was held against: `captured`, bytes of a real device; `from data sheet`, its maker's document;
`simulated`, our own reading of a standard.

| kind | category | what | protocol document | evidence |
|---|---|---|---|---|
"""


def reference_page() -> str:
    """Return the page of every driver there is."""
    drivers = {kind: load(kind) for kind in kinds()}
    rows = "".join(
        f"| [`{kind}`](#{kind}) | {driver.category} | {_cell(driver.summary)} | {_cell(driver.document)} | {driver.evidence} |\n"
        for kind, driver in drivers.items()
    )
    return _HEAD + rows + "".join(_section(kind, driver) for kind, driver in drivers.items())


def _section(kind: str, driver: Driver) -> str:
    lines = [f"\n## {kind}\n\n", f"{_sentence(driver.summary)}\n\n"]
    fields = msgspec.structs.fields(driver.options)
    if fields:
        lines.append("| option | value | default |\n|---|---|---|\n")
        lines += [
            f"| `{each.encode_name}` | {_cell(_words(types.type_info(each.type)))} | {_default(each)} |\n"
            for each in fields
        ]
    told = inspect.getdoc(driver.options) or ""
    if told and driver.options.__doc__ is not None:
        lines.append(f"\n{_sentence(told)}\n")
    return "".join(lines)


def _words(of: types.Type) -> str:
    """Return a type in words, with its limits."""
    match of:
        case types.IntType() | types.FloatType():
            return ", ".join(["a whole number" if isinstance(of, types.IntType) else "a number", *_range(of)])
        case types.StrType():
            return ", ".join(["text", *_length(of, "characters"), *([f"`{of.pattern}`"] if of.pattern else [])])
        case types.BoolType():
            return "`true` or `false`"
        case types.LiteralType(values) | types.EnumType(cls=values):
            return "one of " + ", ".join(f"`{getattr(each, 'value', each)}`" for each in values)
        case types.ListType(item) | types.VarTupleType(item) | types.SetType(item) | types.FrozenSetType(item):
            return ", ".join([f"a list: {_words(item)}", *_length(of, "of them")])
        case types.TupleType(items):
            return "a list of " + "; ".join(map(_words, items))
        case types.DictType(key_type, value_type):
            return f"a table: {_words(key_type)} = {_words(value_type)}"
        case types.StructType(_, fields):
            return "`{" + ", ".join(each.encode_name for each in fields) + "}`"
        case types.UnionType(members):
            return " or ".join(filter(None, map(_words, members)))
        case types.Metadata(inner):
            return _words(inner)
        case _:
            return ""


def _range(of: Any) -> Iterator[str]:  # Any: IntType or FloatType, which share these names and no base
    for word, limit in (
        ("from", of.ge),
        ("above", of.gt),
        ("to", of.le),
        ("below", of.lt),
        ("in steps of", of.multiple_of),
    ):
        if limit is not None:
            yield f"{word} {limit:,}"


def _length(of: Any, what: str) -> Iterator[str]:  # Any: whatever has these two names
    if of.min_length:
        yield f"at least {of.min_length} {what}"
    if of.max_length is not None:
        yield f"at most {of.max_length} {what}"


def _default(field: msgspec.structs.FieldInfo) -> str:
    is_made = field.default_factory is not msgspec.NODEFAULT
    value = field.default_factory() if is_made else field.default
    if value is msgspec.NODEFAULT:
        return "must be said"
    if value is None:
        return "none"
    return f"`{msgspec.json.encode(value).decode()}`"


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
