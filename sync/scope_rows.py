"""Scopes on the wire: what of a stream one store gets, as a state stream of the cloud's own. Pure.

A scope's stream is named `<stream>@<id>`; its rows are

    an entity's row, as it is                     put: stands in the scope
    {"@":"put","by":REP,"row":{…}}                put, written by another replica than the one that sends it
    {"@":"gone","entity":NAME,"key":[…]}          left the scope. No version: put again, the same version stands again
    {"@":"whole"}                                 always the last row: all that stood in the scope stood before it

so that from seq 0 the stream is the snapshot, up to its first `whole`, and the tail after it. Its seqs are those of the stream
that it is a part of, with holes: no two rows of a writer have one seq, through whatever scopes they came.

Source: the design, 3.4.
"""

import re
from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct, field

from sync.json_errors import NOT_JSON

AT = "@"
_MARK = b'{"@":"'
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class PutBy(Struct, frozen=True, tag_field=AT, tag="put"):
    """A row of another writer."""

    by: str
    row: Raw


class Gone(Struct, frozen=True, tag_field=AT, tag="gone"):
    """The row of this key is not in the scope any more."""

    entity: str
    key: tuple[str | int, ...] = field(default_factory=tuple)


class Whole(Struct, frozen=True, tag_field=AT, tag="whole"):
    """All that stands in the scope has a smaller seq than this."""


ScopeRow = PutBy | Gone | Whole
_decoder = msgspec.json.Decoder(ScopeRow)
WHOLE = msgspec.json.encode(Whole())


def is_scoped(stream: str) -> bool:
    """Whether a stream's name is that of a scope."""
    base, _, scope_id = stream.partition(AT)
    return bool(base and _ID.fullmatch(scope_id))


def base_of(stream: str) -> str:
    """Return the stream that a scope is a part of; any other stream as it is."""
    return stream.partition(AT)[0] if is_scoped(stream) else stream


def plain_rows(stream: str, rows: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Return the entities' rows of a batch, whoever wrote them; what a scope says beside them is left out."""
    if not is_scoped(stream):
        return list(rows)
    found = []
    for seq, body in rows:
        try:
            said = read_scope_row(body)
        except NOT_JSON:
            continue
        if said is None:
            found.append((seq, body))
        elif isinstance(said, PutBy):
            found.append((seq, bytes(said.row)))
    return found


def write_scope_row(row: ScopeRow) -> bytes:
    """Return the bytes of a row that is no entity's own."""
    return msgspec.json.encode(row)


def read_scope_row(body: bytes) -> ScopeRow | None:
    """Return what a row says of the scope, None for an entity's own; raise msgspec.MsgspecError for what is not known here."""
    if not body.startswith(_MARK):
        return None
    row: ScopeRow = _decoder.decode(body)
    return row
