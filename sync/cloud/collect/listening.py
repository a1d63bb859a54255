"""TLS of the cloud end: the context it listens with, the certificate that a store shows, a certificate that was renewed.

A store's certificate never lets anybody in by itself: it is asked for beside the token, and must name the token's store.
"""

import asyncio
import logging
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sync.cloud.config import TlsFiles
from sync.errors import ConfigError

LOOK_EVERY_S = 60.0  # at the certificate's file: who renews it (certbot, cert-manager) tells nobody
URI = "urn:storehub:store:"

log = logging.getLogger(__name__)


def store_uri(store: str) -> str:
    """Return how a certificate names a store."""
    return URI + store


def serving_context(files: TlsFiles, authority: Path | None) -> ssl.SSLContext:
    """Return the context to listen with; with an `authority` clients are asked for a certificate of it, and may have none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_certificate(context, files)
    if authority is not None:
        try:
            context.load_verify_locations(authority)
        except OSError as err:  # ssl.SSLError is one
            raise ConfigError(
                f"cloud.client_authority {authority}: {err}; name a file with certificates in PEM"
            ) from err
        context.verify_mode = ssl.CERT_OPTIONAL  # browsers of head office and hubs that enrol have none
    return context


def load_certificate(context: ssl.SSLContext, files: TlsFiles) -> None:
    """Show what is in the files from now on; raise ConfigError."""
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except (OSError, ValueError) as err:
        detail = f"cloud.tls_certificate {files.certificate}, tls_key {files.key}: {err}"
        raise ConfigError(f"{detail}; both in PEM, the key without a password") from err


async def watch_certificate(context: ssl.SSLContext, files: TlsFiles) -> None:
    """Show a certificate that was renewed, until cancelled; a file that cannot be read changes nothing."""
    seen = _marks(files)
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        found = _marks(files)
        if found == seen:
            continue
        seen = found
        try:
            load_certificate(context, files)
        except ConfigError as err:
            log.error("the renewed certificate cannot be read; the former one is shown on", extra={"error": str(err)})
        else:
            log.info("a renewed certificate is shown from now on", extra={"file": files.certificate.name})


def named_store(certificate: Mapping[str, Any] | None) -> str | None:
    """Return the store that a client's certificate names, "" where it names none; None without one. Any: ssl.getpeercert."""
    if not certificate:
        return None
    for kind, value in certificate.get("subjectAltName", ()):
        if kind == "URI" and value.startswith(URI):
            return str(value.removeprefix(URI))
    names: Sequence[Any] = certificate.get("subject", ())
    return next((str(value) for group in names for key, value in group if key == "commonName"), "")


def _marks(files: TlsFiles) -> list[tuple[int, int] | None]:
    return [_mark(each) for each in (files.certificate, files.key)]


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _no_password() -> bytes:
    raise ValueError("the key is encrypted")
