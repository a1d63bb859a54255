"""A small S3-compatible store on loopback, for tests: it checks each signature by itself and can be told to misbehave.

It shares nothing with hub.backup.targets.sigv4: the canonical request is made from the bytes that came. curl's
--aws-sigv4 is the judge of both (tests/hub/test_backup_targets.py).
"""

import hashlib
import hmac
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.sax.saxutils import escape

ID, SECRET, REGION, BUCKET = "AKIDTEST", "a/secret+key", "ap-east-1", "backups"


@dataclass
class S3Store:
    """What lies there, and how it behaves: `cuts` connections are cut in the middle, `fails` are answered 503."""

    objects: dict[str, bytes] = field(default_factory=dict)
    cuts: int = 0
    fails: int = 0
    rots: bool = False
    page: int = 1000
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def s3_store() -> Iterator[S3Store]:
    """Serve until the end of the block."""
    store = S3Store()

    class Handler(_Handler):
        there = store

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        store.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield store
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    there: S3Store
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _take(self) -> None:
        self.there.asked.append(f"{self.command} {self.path}")
        length = int(self.headers.get("content-length", 0))
        if self.there.cuts:
            self.there.cuts -= 1
            self.rfile.read(length // 2)
            self.close_connection = True
            self.connection.close()
            return
        body = self.rfile.read(length)
        if self.there.fails:
            self.there.fails -= 1
            self._say(503, "<Error><Code>SlowDown</Code></Error>")
        elif wrong := _wrong(self, body):
            self._say(403, f"<Error><Code>{wrong}</Code></Error>")
        else:
            self._serve(body)

    do_GET = do_PUT = do_DELETE = _take  # noqa: N815 - the library's names

    def _serve(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        bucket, _, key = path.removeprefix("/").partition("/")
        if bucket != BUCKET:
            self._say(404, "<Error><Code>NoSuchBucket</Code></Error>")
        elif self.command == "PUT":
            self.there.objects[key] = body[:-1] + b"\0" if self.there.rots else body
            self._say(200, "")
        elif self.command == "DELETE":
            self.there.objects.pop(key, None)
            self._say(204, "")
        elif key:
            found = self.there.objects.get(key)
            self._say(200, found) if found is not None else self._say(404, "<Error><Code>NoSuchKey</Code></Error>")
        else:
            self._list(dict(re.findall(r"([^&=]+)=([^&]*)", query)))

    def _list(self, query: dict[str, str]) -> None:
        prefix = query["prefix"].replace("%2F", "/")
        names = sorted(name for name in self.there.objects if name.startswith(prefix))
        after = int(query.get("continuation-token", 0))
        found = "".join(
            f"<Contents><Key>{escape(name)}</Key><Size>{len(self.there.objects[name])}</Size></Contents>"
            for name in names[after : after + self.there.page]
        )
        is_more = after + self.there.page < len(names)
        token = f"<NextContinuationToken>{after + self.there.page}</NextContinuationToken>" if is_more else ""
        self._say(200, f"<ListBucketResult>{found}{token}</ListBucketResult>")

    def _say(self, status: int, body: str | bytes) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _wrong(request: BaseHTTPRequestHandler, body: bytes) -> str:
    """Return what is wrong with a request's signature, as S3 calls it; "" where it is good."""
    said = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w{64})",
        request.headers.get("authorization", ""),
    )
    if said is None:
        return "AccessDenied"
    who, day, region, names, signature = said.groups()
    if who != ID:
        return "InvalidAccessKeyId"
    digest = request.headers.get("x-amz-content-sha256", "")
    if digest not in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()):
        return "XAmzContentSHA256Mismatch"
    path, _, query = request.path.partition("?")
    ordered = "&".join(sorted(part if "=" in part else f"{part}=" for part in query.split("&") if part))
    lines = [f"{name}:{request.headers[name].strip()}\n" for name in names.split(";")]
    canonical = f"{request.command}\n{path}\n{ordered}\n{''.join(lines)}\n{names}\n{digest}"
    hashed = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{request.headers['x-amz-date']}\n{day}/{region}/s3/aws4_request\n{hashed}"
    key = b"AWS4" + SECRET.encode()
    for part in (day, REGION, "s3", "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    return "" if key.hex() == signature else "SignatureDoesNotMatch"
