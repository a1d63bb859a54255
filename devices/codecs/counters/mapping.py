"""A counter's JSON read by a mapping: where in it the counts are, in the configuration or (formats.py) known for a vendor. Pure.

    [devices.door.mapping]
    each = "/lines/*"                  every item of a list is a count; without it the document is one
    sensor = "/device/serial"          who counts; may be missing where the topic or the section says it
    line = "name"                      which of its lines
    in = "total/in"                    either or both
    out = "total/out"
    counts = "totals"                  running totals, or "deltas": what came since the last message
    at = "/sent"  zone = "/zone"       when; `zone` where the time does not say its offset ("UTC+8:00")
    boot = "/boot"                     differs after each start of the counter
    id = ["from", "to"]                names a delta, so that it counts once; several are joined and are then text
    only = "kind"  is = "people"       items where this field says this

A path has steps between slashes: a key, a number (place in a list), `key=text` (the first item of a list where the key says
so), `..` (up). One that begins with a slash begins at the top, any other at the item. After JSON Pointer, RFC 6901.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from devices.codecs.counters.count import COUNTS_MAX, NAME_CHARS_MAX, Count, moment_ms, name, whole, word
from devices.errors import CountError

STEPS_MAX = 16
Path = Annotated[str, Meta(max_length=200)]
_Chain = tuple[Any, ...]  # an item with what it stands in, the document first. Any: JSON


class Mapping(Struct, frozen=True, forbid_unknown_fields=True):
    """Paths, as the head of this file says. `is_optional`: a document without counts is no error (a vendor's other messages)."""

    each: Path = ""
    sensor: Path = ""
    line: Path = ""
    in_: Path = field(default="", name="in")
    out: Path = ""
    counts: Literal["totals", "deltas"] = "totals"
    at: Path = ""
    zone: Path = ""
    boot: Path = ""
    id: Path | tuple[Path, ...] = ""
    only: Path = ""
    is_: str = field(default="", name="is")
    wraps_at: Annotated[int, Meta(ge=256, le=2**53)] | None = None
    is_optional: bool = False

    def __post_init__(self) -> None:
        if not self.in_ and not self.out:
            raise ValueError("say where the counts are: in, out, or both")
        if self.counts == "totals" and self.id:
            raise ValueError(
                "totals have no id; a counter that sends what came since its last message has counts = 'deltas'"
            )
        paths = (self.each, self.sensor, self.line, self.in_, self.out, self.at, self.zone, self.boot, self.only)
        for path in (*paths, *_ids(self)):
            if path.count("/") >= STEPS_MAX:
                raise ValueError(f"path {path!r} has more than {STEPS_MAX} steps")
            if "*" in path.split("/") and path != self.each:
                raise ValueError(f"path {path!r}: only `each` has steps *, which go through a list")

    @property
    def words(self) -> set[str]:
        """The texts that items are known by: what `only` must say, and the steps `key=text`."""
        paths = (
            self.each,
            self.sensor,
            self.line,
            self.in_,
            self.out,
            self.at,
            self.zone,
            self.boot,
            self.only,
            *_ids(self),
        )
        picks = (step.partition("=") for path in paths for step in path.split("/"))
        return {text for _, is_pick, text in picks if is_pick} | ({self.is_} if self.only else set())


def read(mapping: Mapping, document: Any) -> list[Count]:
    """Return the counts of a document (Any: JSON); raise CountError when there are none or one is no count."""
    counts = []
    for chain in _items((document,), mapping.each.split("/") if mapping.each else []):
        if mapping.only and str(_at(chain, mapping.only)) != mapping.is_:
            continue
        found = _count(mapping, chain)
        if found is not None:
            counts.append(found)
        if len(counts) > COUNTS_MAX:
            raise CountError("too_long", f"more than {COUNTS_MAX} counts")
    if not counts and not mapping.is_optional:
        raise CountError("no_count", "nothing where the mapping says that the counts are")
    return counts


def _count(mapping: Mapping, chain: _Chain) -> Count | None:
    is_delta = mapping.counts == "deltas"
    entered, exited = (whole(_at(chain, path), is_delta=is_delta) for path in (mapping.in_, mapping.out))
    if entered is None and exited is None:
        return None
    return Count(
        sensor=name(_at(chain, mapping.sensor)),
        line=name(_at(chain, mapping.line)),
        at_ms=moment_ms(_at(chain, mapping.at), zone=_at(chain, mapping.zone)),
        boot=word(_at(chain, mapping.boot)),
        in_total=None if is_delta else entered or 0,
        out_total=None if is_delta else exited or 0,
        in_delta=(entered or 0) if is_delta else None,
        out_delta=(exited or 0) if is_delta else None,
        delta_id=_delta_id(mapping, chain),
        wraps_at=mapping.wraps_at,
    )


def _delta_id(mapping: Mapping, chain: _Chain) -> str | None:
    """Return the id of a delta, all of its parts; None where one of them is missing: then it has no name of its own."""
    parts = [word(_at(chain, path)) for path in _ids(mapping)]
    return None if not parts or None in parts else "~".join(filter(None, parts))[:NAME_CHARS_MAX]


def _ids(mapping: Mapping) -> tuple[str, ...]:
    return (mapping.id,) * bool(mapping.id) if isinstance(mapping.id, str) else mapping.id


def _items(chain: _Chain, steps: list[str]) -> Iterator[_Chain]:
    """Yield every item that a path with `*` leads to."""
    for n, step in enumerate(steps):
        if step == "*":
            listed = chain[-1] if isinstance(chain[-1], list) else []
            for item in listed:
                yield from _items((*chain, item), steps[n + 1 :])
            return
        if step:
            chain = (*chain, _step(chain[-1], step))
    yield chain


def _at(chain: _Chain, path: str) -> Any:
    """Return what stands at a path, None where nothing does. Any: JSON."""
    if not path:
        return None
    if path.startswith("/"):
        chain = chain[:1]
    for step in filter(None, path.split("/")):
        chain = chain[:-1] or chain if step == ".." else (*chain, _step(chain[-1], step))
    return chain[-1]


def _step(part: Any, step: str) -> Any:
    if isinstance(part, dict):
        return part.get(step)
    if not isinstance(part, list):
        return None
    key, is_pick, text = step.partition("=")
    if is_pick:
        return next((item for item in part if isinstance(item, dict) and str(item.get(key)) == text), None)
    return part[int(step)] if step.isascii() and step.isdigit() and len(step) < 9 and int(step) < len(part) else None
