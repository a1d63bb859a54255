"""An S3-compatible store: one object a backup, path-style addresses, signed requests. An object is there whole, or not
at all.

Not here: the signature (hub.backup.targets.sigv4). One PUT takes 5 GiB; a shop's books are hundreds of megabytes at
most.
"""

import hashlib
import html
import http.client
import re
import shutil
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from hub.backup.kept import Kept, kept_among
from hub.backup.targets.sigv4 import Key, Request, authorization
from hub.backup.targets.target import PAUSES_S, DroppedError, digest_of, read_back, trying
from hub.settings.backup import S3Section, read_secret
from sync.errors import StartError

SILENT_S = 60.0  # a line that brings nothing for so long is dead
ANSWER_BYTES_MAX = 4 << 20
PAGES_MAX = 1000
NOTHING = hashlib.sha256(b"").hexdigest()
_REMEDIES = {
    "SignatureDoesNotMatch": "the secret in secret_key_file is not that of access_key_id, or region is another",
    "InvalidAccessKeyId": "correct [backup.s3] access_key_id",
    "RequestTimeTooSkewed": "this machine's clock is off: `timedatectl`",
    "AccessDenied": "the key must be allowed to put, get, list and delete below the prefix",
    "NoSuchBucket": "make the bucket there, or correct [backup.s3] bucket",
    "NoSuchKey": "`storehub backup list` names those that there are",
    "AuthorizationHeaderMalformed": "correct [backup.s3] region",
    "PermanentRedirect": "correct [backup.s3] endpoint and region: the bucket is elsewhere",
}
_PAGE = re.compile(r"<Contents>(.*?)</Contents>", re.DOTALL)
Answer = Callable[[http.client.HTTPResponse], str]


class S3:
    """See Target."""

    name = "s3"

    def __init__(
        self, section: S3Section, *, pauses_s: Sequence[float] = PAUSES_S, now: Callable[[], datetime]
    ) -> None:
        self._endpoint = urlsplit(section.endpoint)
        self._bucket, self._prefix = section.bucket, section.prefix
        self._ca_file = section.ca_file or None
        self._key = Key(
            section.access_key_id, read_secret(section.secret_key_file, "backup.s3.secret_key_file"), section.region
        )
        self._pauses_s, self._now = pauses_s, now
        self.where = f"{section.endpoint}/{section.bucket}/{section.prefix}"

    def put(self, sealed: Path, name: str) -> None:
        """Bring it, and fetch it again."""
        digest, size = digest_of(sealed), sealed.stat().st_size

        def send() -> str:
            with sealed.open("rb") as body:
                return self._ask("PUT", self._prefix + name, body=body, size=size, body_sha256=digest)

        trying(send, pauses_s=self._pauses_s)
        read_back(self, sealed, name)

    def get(self, name: str, into: Path) -> None:
        """Fetch one."""

        def save(answer: http.client.HTTPResponse) -> str:
            with into.open("wb") as file:
                shutil.copyfileobj(answer, file)
                if answer.length:  # what it had promised beyond
                    raise DroppedError(f"{self.where}: the line was cut; the same command may be repeated")
            return ""

        trying(lambda: self._ask("GET", self._prefix + name, answer=save), pauses_s=self._pauses_s)

    def kept(self, store: str) -> list[Kept]:
        """Look, page by page."""
        found: list[tuple[str, int]] = []
        query = {"list-type": "2", "prefix": f"{self._prefix}{store}-"}
        for _ in range(PAGES_MAX):
            page = trying(partial(self._ask, "GET", "", query=dict(query)), pauses_s=self._pauses_s)
            for each in _PAGE.findall(page):
                found.append((_text(each, "Key").removeprefix(self._prefix), int(_text(each, "Size") or 0)))
            if not (token := _text(page, "NextContinuationToken")):
                break
            query["continuation-token"] = token
        return kept_among(found, store)

    def remove(self, name: str) -> None:
        """Delete it."""
        trying(lambda: self._ask("DELETE", self._prefix + name), pauses_s=self._pauses_s)

    def _ask(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        body: BinaryIO | None = None,
        size: int = 0,
        body_sha256: str = NOTHING,
        answer: Answer | None = None,
    ) -> str:
        headers = {
            "host": self._endpoint.netloc,
            "x-amz-content-sha256": body_sha256,
            "x-amz-date": f"{self._now().astimezone(UTC):%Y%m%dT%H%M%SZ}",
        }
        path = f"{self._endpoint.path.rstrip('/')}/{self._bucket}" + (f"/{key}" if key else "")
        request = Request(method, path, query or {}, headers, body_sha256)
        headers |= {"authorization": authorization(request, self._key), "content-length": str(size)}
        line = self._line()
        try:
            line.request(method, request.target, body=body, headers=headers)
            said = line.getresponse()
            if said.status in (200, 204):
                return (answer or _read)(said)
            raise self._error(said.status, _read(said))
        except ssl.SSLCertVerificationError as err:
            raise StartError(f"{self.where}: {err.verify_message}: name its CA with [backup.s3] ca_file") from err
        except (OSError, http.client.HTTPException) as err:
            raise DroppedError(f"{self.where}: {err or type(err).__name__}; the next backup tries again") from err
        finally:
            line.close()

    def _line(self) -> http.client.HTTPConnection:
        host, port = self._endpoint.hostname or "", self._endpoint.port
        if self._endpoint.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=SILENT_S)
        try:
            context = ssl.create_default_context(cafile=self._ca_file)
        except OSError as err:
            raise StartError(f"backup.s3.ca_file {self._ca_file}: {err.strerror or err}") from err
        return http.client.HTTPSConnection(host, port, timeout=SILENT_S, context=context)

    def _error(self, status: int, said: str) -> StartError:
        code = _text(said, "Code")
        if status >= 500 or status in (408, 429) or code in ("SlowDown", "RequestTimeout"):
            return DroppedError(f"{self.where}: it answers {status} {code}; the next backup tries again")
        remedy = _REMEDIES.get(code, _text(said, "Message") or "is it an S3-compatible store that answers there?")
        return StartError(f"{self.where}: it answers {status} {code}: {remedy}")


def _read(answer: http.client.HTTPResponse) -> str:
    return answer.read(ANSWER_BYTES_MAX).decode("utf-8", "replace")


def _text(said: str, tag: str) -> str:
    found = re.search(f"<{tag}>(.*?)</{tag}>", said, re.DOTALL)
    return html.unescape(found[1]) if found else ""
