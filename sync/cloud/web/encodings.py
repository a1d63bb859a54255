"""Which encoding of a body a client takes, and the body in it: zstd before gzip. Pure. Source: RFC 9110, 12.5.3."""

import gzip
from typing import Literal

from backports import zstd

from sync.protocol import ZSTD_LEVEL

GZIP_LEVEL = 6
Coding = Literal["zstd", "gzip", ""]


def coding_of(accepted: str) -> Coding:
    """Return the best encoding of an Accept-Encoding header, "" for none."""
    weights: dict[str, float] = {}
    for each in accepted.split(","):
        coding, _, parameter = each.partition(";")
        weights[coding.strip().lower()] = _weight(parameter)
    everything = weights.get("*", 0.0)
    if weights.get("zstd", everything) > 0:
        return "zstd"
    return "gzip" if weights.get("gzip", everything) > 0 else ""


def packed(body: bytes, coding: Coding) -> bytes:
    """Return a body in an encoding."""
    if coding == "zstd":
        return zstd.compress(body, ZSTD_LEVEL)
    return gzip.compress(body, GZIP_LEVEL, mtime=0) if coding == "gzip" else body


def _weight(parameter: str) -> float:
    name, _, number = parameter.partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return float(number)
    except ValueError:
        return 0.0
