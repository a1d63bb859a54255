"""The reference page of the replicated entities, written from their declarations: docs/entities.md. Pure."""

from collections.abc import Iterable, Iterator

from sync.entities import Registry
from sync.kinds import Column, Entity, Kind, PassedOn, Priority
from sync.paths import field_at, is_optional, plain_type

_HEAD = """# The replicated entities

Written by `storehub schema reference` from the declarations in `sync/retail/`; a test holds it against them. How rows of each
kind merge is told in `sync/kinds.py` and `sync/merge.py`, how they travel in [sync.md](sync.md).

| entity | stream | kind | merge | written by | sent | kept |
|---|---|---|---|---|---|---|
"""


_PASSED_ON = {
    PassedOn.LIVES: "to the store's other lives, by its second hub and by the cloud",
    PassedOn.BESIDE: "by the store's second hub; from the cloud it comes by region",
    PassedOn.ENDED: "by the cloud to the store's other lives once its writer has ended",
}


def reference_page(registry: Registry) -> str:
    """Return the page."""
    entities = [each for group in registry.streams.values() for each in group]
    lines = [_line(each) for each in entities]
    return _HEAD + "\n".join(lines) + "\n\n" + "\n".join("\n".join(_section(each)) for each in entities)


def _line(entity: Entity) -> str:
    merge = {
        Kind.FACT: "union on its key",
        Kind.TALLY: "the larger, per (key, writer)",
        Kind.REGISTER: "per field, the larger stamp" if entity.is_shared else "the larger (n, rep)",
    }[entity.kind]
    cells = [f"[{entity.name}](#{entity.name})", f"`{entity.stream}`", entity.kind.value, merge, _writer(entity)]
    return f"| {' | '.join([*cells, Priority(entity.priority).name.lower(), str(entity.keep)])} |"


def _writer(entity: Entity) -> str:
    if entity.is_shared:
        return "stores and cloud"
    return entity.authority.value if entity.authority else "each replica its own"


def _section(entity: Entity) -> Iterator[str]:
    yield f"## {entity.name}\n"
    yield f"{entity.doc} Table `{entity.table}`, metrics label `{entity.label}`.\n"
    yield "| field | what | column |"
    yield "|---|---|---|"
    yield from _fields(entity)
    yield ""
    said = list(_said(entity))
    if said:
        yield "\n".join(f"- {each}" for each in said)
        yield ""


def _fields(entity: Entity) -> Iterator[str]:
    by_path = {column.path: column for column in entity.stored if column.path}
    for field in entity.row.__struct_encode_fields__:
        inner = [path for path in by_path if path.split(".")[0] == field]
        for path in inner or [field]:
            yield f"| `{path}` | {_type(entity, path)} | {_column(entity, by_path.get(path))} |"


def _type(entity: Entity, path: str) -> str:
    field = field_at(entity.row, path)
    kind = plain_type(field)
    name = (
        getattr(kind, "__name__", str(kind)) if not str(kind).startswith(("tuple[", "dict[", "typing")) else "several"
    )
    words = {"str": "text", "int": "number", "bool": "yes or no", "datetime": "time", "tuple": "list", "list": "list"}
    told = words.get(name, "several" if name == "dict" else name)
    return f"{told}, or nothing" if is_optional(field) else told


def _column(entity: Entity, column: Column | None) -> str:
    if column is None:
        return ""
    marks = ["key"] if column in entity.key else ["grows"] if column in entity.numbers else []
    marks += ["unique"] if column.is_unique else []
    return f"`{column.name}`" + (f" ({', '.join(marks)})" if marks else "")


def _said(entity: Entity) -> Iterator[str]:
    if not entity.key:
        yield "Its key is its dot: rows with the same content are rows of their own."
    if entity.is_key_of_store:
        yield "Its key is unique in its store only."
    if entity.written_by:
        whose = "replica" if entity.kind is Kind.TALLY else "store"
        yield f"`{entity.written_by}` names the writing {whose}; a row that names another is not taken."
    if (said := _PASSED_ON.get(entity.told_to)) is not None:
        yield f"Passed on {said}."
    yield from (f"`{named.path}` names a [{named.entity}](#{named.entity})." for named in entity.names)
    if entity.has_effects:
        yield "`stock` holds its effects: [SKU, location, signed quantity], summed by whoever does not know the entity, too."
    if entity.dated:
        yield f"Dated by `{entity.dated}`."
    if entity.measure:
        yield f"The cloud adds up {_measured(entity)} for each store."
    local = _names(column for column in entity.columns if not column.path)
    if local:
        yield f"Beside the row, at the hub: {local}."


def _measured(entity: Entity) -> str:
    assert entity.measure is not None
    if entity.kind is Kind.TALLY:
        return _names(entity.numbers)
    return f"`{entity.measure.amount}`" + (f" by `{entity.measure.unit}`" if entity.measure.unit else "")


def _names(columns: Iterable[Column]) -> str:
    return ", ".join(f"`{column.name}`" for column in columns)
