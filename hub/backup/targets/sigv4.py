"""Signature Version 4 of AWS, for requests whose body's digest is known. Pure; judged by AWS's own examples.

Source: "Authenticating Requests: Using the Authorization Header", Amazon S3 API reference.
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

from msgspec import Struct

ALGORITHM = "AWS4-HMAC-SHA256"


class Key(Struct, frozen=True):
    """Whose requests these are, and where they go."""

    id: str
    secret: str
    region: str
    service: str = "s3"

    def __repr__(self) -> str:
        return f"Key({self.id!r}, {self.region!r})"


class Request(Struct, frozen=True):
    """What is signed: `path` as it is, not yet quoted; `headers` with host and x-amz-date."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body_sha256: str

    @property
    def target(self) -> str:
        """The path and the query as they are signed and sent."""
        query = canonical_query(self.query)
        return quote(self.path, safe="/-_.~") + (f"?{query}" if query else "")


def authorization(request: Request, key: Key) -> str:
    """Return the value of the Authorization header."""
    headers = {name.lower(): " ".join(value.split()) for name, value in request.headers.items()}
    names = ";".join(sorted(headers))
    canonical = "\n".join(
        (
            request.method,
            quote(request.path, safe="/-_.~"),
            canonical_query(request.query),
            *(f"{name}:{headers[name]}" for name in sorted(headers)),
            "",
            names,
            request.body_sha256,
        )
    )
    at = headers["x-amz-date"]
    scope = f"{at[:8]}/{key.region}/{key.service}/aws4_request"
    to_sign = "\n".join((ALGORITHM, at, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signature = _mac(_signing_key(key, at[:8]), to_sign).hex()
    return f"{ALGORITHM} Credential={key.id}/{scope},SignedHeaders={names},Signature={signature}"


def canonical_query(query: Mapping[str, str]) -> str:
    """Return a query in the order and the quoting that are signed."""
    quoted = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in quoted)


def _signing_key(key: Key, day: str) -> bytes:
    signing = f"AWS4{key.secret}".encode()
    for part in (day, key.region, key.service, "aws4_request"):
        signing = _mac(signing, part)
    return signing


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
