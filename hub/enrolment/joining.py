"""Joins this hub to a cloud by a one-time code, and exchanges what it was given for newer.

What is drawn here is kept before the cloud is asked: where the answer is lost, the same command again sends the same token and
is answered the same. Not here: files (hub.enrolment.credentials), sockets (sync.cloud.talk.asking).
"""

import platform
import secrets
import ssl
from pathlib import Path

from msgspec import Struct

from hub.enrolment.credentials import (
    AUTHORITY,
    CLIENT,
    TOKEN,
    TOKEN_NEW,
    context_of,
    read_text,
    token_to_dial,
    trusting,
    write_private,
)
from hub.settings.lines import CloudLine
from hub.tls.requesting import make_request
from sync.cloud.talk.asking import ask

TOKEN_BYTES = 32


class Joined(Struct, frozen=True):
    """What a cloud answered: who this hub is there, and its certificate where it signs some."""

    store: str
    cloud: str
    certificate: str | None = None


async def join(folder: Path, url: str, code: str, *, store_id: str, authority: Path | None) -> Joined:
    """Spend a code; what comes of it lies in the folder and is used at the next connection. Raise SyncError."""
    context = trusting(authority) if url.startswith("https://") else None
    body = {"code": code, "store": store_id, "name": platform.node()[:64]}
    joined = await _exchange(folder, url, "/sync/v1/enrol", body, store_id=store_id, context=context)
    if authority is not None:
        write_private(folder / AUTHORITY, read_text(authority))
    return joined


async def renew(line: CloudLine, *, store_id: str) -> Joined:
    """Exchange token and certificate; the former token is good until the new one is used. Raise SyncError."""
    assert line.url is not None, "a hub that dials has an address"
    return await _exchange(
        line.folder,
        line.url,
        "/sync/v1/renew",
        {},
        store_id=store_id,
        context=context_of(line),
        token=token_to_dial(line),
    )


async def _exchange(
    folder: Path,
    url: str,
    path: str,
    body: dict[str, str],
    *,
    store_id: str,
    context: ssl.SSLContext | None,
    token: str = "",
) -> Joined:
    drawn = read_text(folder / TOKEN_NEW).strip() or secrets.token_urlsafe(TOKEN_BYTES)
    write_private(folder / TOKEN_NEW, drawn)
    key, csr = make_request(store_id)
    asked = {**body, "token": drawn, "csr": csr}
    joined = await ask(url, "POST", path, Joined, token=token, body=asked, context=context)
    if joined.certificate is not None:
        write_private(folder / CLIENT, key + joined.certificate)
    write_private(folder / TOKEN, drawn)
    (folder / TOKEN_NEW).unlink(missing_ok=True)
    return joined
