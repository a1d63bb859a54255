"""What is taken out of what leaves the shop: secrets by their key's name, people's numbers and addresses by shape.

Pure. The hub logs no names, tokens or cards (hub.log): this is the second lock, not the first.
"""

import re
from typing import Any

import orjson

HIDDEN = "…"
_SECRET = re.compile(r"password|token|secret|phone|username|(^|_)key$|(^|_)pin$", re.IGNORECASE)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_BEARER = re.compile(
    r"\b[A-Za-z0-9_-]{40,}\b"
)  # tokens of ours are 43 letters; digests are as long, and as little use here
_NUMBER = re.compile(
    r"(?<![\w:.-])\+?\(?\d[\d ()-]{5,}\d(?![\w:-])"
)  # a telephone, a card; not a time, not an id of letters
_KEPT_WHOLE = ("at", "__REALTIME_TIMESTAMP")


def masked_text(text: str) -> str:
    """Return a text without addresses, long numbers and what may be a token."""
    for shape in (_MAIL, _BEARER, _NUMBER):
        text = shape.sub(HIDDEN, text)
    return text


def masked(value: Any) -> Any:
    """Return a value of TOML or JSON without secrets; what is under a secret's name goes whole. Any: TOML, JSON."""
    if isinstance(value, dict):
        return {key: HIDDEN if _SECRET.search(key) else _of_key(key, each) for key, each in value.items()}
    if isinstance(value, list):
        return [masked(each) for each in value]
    return masked_text(value) if isinstance(value, str) else value


def masked_log(raw: bytes) -> bytes:
    """Return the lines of a log, those in JSON field by field; what cannot be read is masked as it stands."""
    return b"".join(_line(line) + b"\n" for line in raw.splitlines())


def _of_key(key: str, value: Any) -> Any:
    return value if key in _KEPT_WHOLE else masked(value)


def _line(line: bytes) -> bytes:
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError:
        return masked_text(line.decode(errors="replace")).encode()
    return orjson.dumps(masked(said)) if isinstance(said, dict) else masked_text(line.decode()).encode()
