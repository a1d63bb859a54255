"""A statement as the cloud writes it, in SQLite's words, said in PostgreSQL's. Pure.

    ?, ?1, :name                     $1, cast to the type of its value: PostgreSQL guesses text where a value stands alone
    IN (SELECT value FROM json_each(?))   = ANY (an array), which an index answers. Not for many: where a table has no statistics
                                          yet each of its rows is compared with each value. Many are joined: FROM json_each(?)
                                          AS asked CROSS JOIN …, which keeps SQLite to this order
    max(a, b), min(a, b), iif(…)     GREATEST, LEAST, CASE
    CAST(… AS TEXT | BLOB)           as_text(…), as_blob(…): bytes are UTF-8 text here, not hex
    x IS ?                           x IS NOT DISTINCT FROM ?
    … DO UPDATE SET n = n + 1        columns named with their table: alone they are ambiguous to PostgreSQL
    INSERT … VALUES (?, …), many rows     INSERT … SELECT FROM unnest(…): one statement for all of them

json_each, ->>, hex and the like are functions of the schema (compat.sql), not rewritten. Not here: the schema's steps
(ddl), how a statement is sent (connection).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|--[^\n]*|::|\?\d*|:[a-zA-Z_]\w*|[A-Za-z_]\w*|.""", re.S)
_CALL = re.compile(r"\b(max|min|iif|CAST)\(", re.I)
_IN_LIST = re.compile(r"IN\s*\(\s*SELECT value FROM json_each\(\s*(\?\d*|:\w+)\s*\)\s*\)", re.I)
_IS = re.compile(r"\bIS\s+(NOT\s+)?(?=\?|:\w)", re.I)
_INSERT = re.compile(r"\s*INSERT INTO (\w+)\s*\(([^)]*)\)\s*", re.I)
_VALUES = re.compile(r"VALUES\s*\(([^()]*)\)\s*", re.I)
_UPSERT = re.compile(r"\bDO UPDATE SET\b", re.I)
_CONFLICT = re.compile(r"ON CONFLICT\s*\(([^)]*)\)\s*DO UPDATE", re.I)
_NOTHING = re.compile(r"\s*(ON CONFLICT\s*(\([^)]*\)\s*)?DO NOTHING\s*)?", re.I)
_PLACE = re.compile(r"\?|:[a-z]")
_MORE = re.compile(r"\b(WHERE|RETURNING|SELECT)\b", re.I)
_WORDS = {
    "set",
    "where",
    "and",
    "or",
    "not",
    "null",
    "is",
    "case",
    "when",
    "then",
    "else",
    "end",
    "excluded",
    "returning",
}
_TYPES = {int: "bigint", bool: "bigint", str: "text", bytes: "bytea", float: "double precision"}


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement for PostgreSQL, and which of the given values stands at each of its places: a position or a name."""

    sql: str
    places: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class SetInsert:
    """An INSERT of many rows: `columns` are those that take values, in order; `key` is what an update goes by, if it does."""

    table: str
    columns: tuple[str, ...]
    head: str
    tail: str
    items: tuple[str, ...]
    key: tuple[int, ...]

    @property
    def is_plain(self) -> bool:
        """Whether COPY may do it as long as no row meets another: values alone, and nothing is made of a conflict."""
        is_given = self.items == tuple(f"given.c{n}" for n in range(1, len(self.columns) + 1))
        return is_given and _NOTHING.fullmatch(self.tail) is not None

    @property
    def is_upsert(self) -> bool:
        """Whether each row of values is entered, or changes the one that it meets, whatever else there is."""
        return bool(self.key) and "DO UPDATE" in self.tail and _MORE.search(self.tail) is None

    def sql(self, types: Sequence[str]) -> str:
        """Return the statement for arrays of these types."""
        arrays = ", ".join(f"${n}::{each}[]" for n, each in enumerate(types, 1))
        names = ", ".join(f"c{n}" for n in range(1, len(types) + 1))
        return f"{self.head}SELECT {', '.join(self.items)} FROM unnest({arrays}) AS given ({names}) {self.tail}"


@lru_cache(maxsize=2048)
def statement(sql: str, types: tuple[type, ...], names: tuple[str, ...] = ()) -> Statement:
    """Return a statement for values of these types; with `names` they are given by name."""
    by_name = dict(zip(names, types, strict=False))
    places: list[int | str] = []
    said: list[str] = []
    given = 0
    for token in _TOKEN.findall(rewritten(sql)):
        if token[0] == "?":
            given = int(token[1:]) if len(token) > 1 else given + 1
            place: int | str = given - 1
            kind = types[given - 1]
        elif token[0] == ":" and token[1:] in by_name:
            place, kind = token[1:], by_name[token[1:]]
        else:
            said.append(token)
            continue
        if place not in places:
            places.append(place)
        cast = next((f"::{sql_type}" for known, sql_type in _TYPES.items() if issubclass(kind, known)), "")
        said.append(f"${places.index(place) + 1}{cast}")
    return Statement("".join(said), tuple(places))


@lru_cache(maxsize=512)
def set_insert(sql: str) -> SetInsert | None:
    """Return an INSERT of one row of values as one of many rows; None for any other statement."""
    head = _INSERT.match(sql)
    values = _VALUES.match(sql, head.end()) if head else None
    if head is None or values is None:
        return None
    columns = [each.strip() for each in head[2].split(",")]
    items, taken = [], []
    for column, item in zip(columns, (each.strip() for each in values[1].split(",")), strict=True):
        if item == "?":
            taken.append(column)
        items.append(f"given.c{len(taken)}" if item == "?" else item)
    conflict = _CONFLICT.search(sql, values.end())
    named = [each.strip() for each in conflict[1].split(",")] if conflict else []
    key = tuple(taken.index(each) for each in named if each in taken)
    tail = rewritten(sql[: values.start()] + sql[values.end() :])[values.start() :]
    if "?" in tail or not taken or any(map(_PLACE.search, items)):
        return None
    return SetInsert(head[1], tuple(taken), f"INSERT INTO {head[1]} ({head[2]}) ", tail.strip(), tuple(items), key)


def rewritten(sql: str) -> str:
    """Return a statement in PostgreSQL's words, its places as they were."""
    sql = _IN_LIST.sub(r"= ANY (ARRAY(SELECT json_array_elements_text(CAST(\1 AS json))))", sql)
    sql = _IS.sub(lambda found: "IS DISTINCT FROM " if found[1] else "IS NOT DISTINCT FROM ", sql)
    return _with_table(_calls(sql))


def _calls(sql: str) -> str:
    """Rewrite calls, the innermost first."""
    said, at = [], 0
    while found := _CALL.search(sql, at):
        end = _closing(sql, found.end())
        inner = _calls(sql[found.end() : end])
        said += [sql[at : found.start()], _call(found[1], inner)]
        at = end + 1
    return "".join([*said, sql[at:]])


def _call(name: str, inner: str) -> str:
    if name.upper() == "CAST":
        return _cast(inner)
    arguments = _arguments(inner)
    if name.lower() == "iif":
        return f"CASE WHEN {arguments[0]} THEN {arguments[1]} ELSE {arguments[2]} END"
    if len(arguments) == 1:
        return f"{name}({inner})"
    return f"{'GREATEST' if name.lower() == 'max' else 'LEAST'}({inner})"


def _cast(inner: str) -> str:
    value, _, wanted = inner.rpartition(" AS ")
    if wanted in ("TEXT", "BLOB"):
        return f"as_{wanted.lower()}({value})"
    return f"CAST({value} AS {'bigint' if wanted == 'INTEGER' else wanted})"


def _closing(sql: str, at: int) -> int:
    depth, is_text = 1, False
    for place in range(at, len(sql)):
        sign = sql[place]
        if sign == "'":
            is_text = not is_text
        elif not is_text:
            depth += (sign == "(") - (sign == ")")
            if not depth:
                return place
    raise AssertionError(f"a parenthesis is open: {sql}")


def _arguments(inner: str) -> list[str]:
    arguments, depth, is_text, begun = [], 0, False, 0
    for place, sign in enumerate(inner):
        if sign == "'":
            is_text = not is_text
        elif not is_text:
            depth += (sign == "(") - (sign == ")")
            if sign == "," and not depth:
                arguments.append(inner[begun:place].strip())
                begun = place + 1
    return [*arguments, inner[begun:].strip()]


def _with_table(sql: str) -> str:
    """Name the table of bare columns behind DO UPDATE SET; what is assigned to stays bare."""
    head, found = _INSERT.match(sql), _UPSERT.search(sql)
    if head is None or found is None:
        return sql
    tokens = _TOKEN.findall(sql[found.end() :])
    said: list[str] = []
    depth, part = 0, "target"
    for at, word in enumerate(tokens):
        depth += (word == "(") - (word == ")")
        if word.upper() == "RETURNING":
            said += tokens[at:]
            break
        if word.upper() == "WHERE":
            part = "condition"
        elif part == "value" and word == "," and not depth:
            part = "target"
        elif part == "target" and word == "=":
            part = "value"
        elif part != "target" and _is_bare_column(tokens, at):
            said.append(f"{head[1]}.")
        said.append(word)
    return sql[: found.end()] + "".join(said)


def _is_bare_column(tokens: list[str], at: int) -> bool:
    token = tokens[at]
    follows = next((each for each in tokens[at + 1 :] if not each.isspace()), "")
    is_name = token[0].isalpha() and token.lower() not in _WORDS
    return is_name and (at == 0 or tokens[at - 1] != ".") and follows not in (".", "(")
