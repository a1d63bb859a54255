"""What lies in DIR/tls, for its owner only: the authority and the leaf, a file each, key and certificate together.

    authority.pem   what every tablet of the store trusts: never replaced, never moved by the hub
    leaf.pem        what this hub shows; made anew at any time

A first line of each says what is in it, so that damage is seen. Read with `ssl` alone: a hub whose leaf is good never loads
`cryptography` (9 MiB). Not here: making them (hub.tls.making).
"""

import hashlib
import logging
import os
import ssl
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from sync.errors import StartError

AUTHORITY, LEAF, DAMAGED = "authority.pem", "leaf.pem", "leaf.pem.damaged"
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_SAID, _SAID_AUTHORITY = "store-hub-leaf ", "store-hub-authority "

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Authority:
    """The store's certification authority; `pem` holds no key."""

    name: str
    pem: str
    not_before_ms: int
    not_after_ms: int

    @property
    def der(self) -> bytes:
        """The certificate as tablets take it."""
        return ssl.PEM_cert_to_DER_cert(self.pem)

    @property
    def sha256(self) -> str:
        """The fingerprint, 64 hex digits."""
        return hashlib.sha256(self.der).hexdigest()


class Leaf(Struct, frozen=True, forbid_unknown_fields=True):
    """What a leaf is good for. `dated_ms` is what time it was when it was made, as far as the hub knew."""

    authority: str
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    not_before_ms: int
    not_after_ms: int
    dated_ms: int
    left_out: tuple[str, ...] = ()


def read_authority(folder: Path) -> Authority | None:
    """Return the authority, None where there is none; raise StartError for a file that is none. Nothing is changed."""
    path = folder / AUTHORITY
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as err:
        raise StartError(_damaged(path, err)) from err
    authority = _parsed(text, path)
    _keep_private(path)
    return authority


def _parsed(text: str, path: Path) -> Authority:
    """Return what the text of `path` says; raise StartError when it is no authority with its key."""
    try:
        return _parse(text, path)
    except (OSError, ValueError, KeyError) as err:  # ssl.SSLError is an OSError
        raise StartError(_damaged(path, err)) from err


def _parse(text: str, path: Path) -> Authority:
    head, _, body = text.partition("\n")
    if head != f"{_SAID_AUTHORITY}{_digest(body)}":
        raise ValueError("it is not what was written")
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, password=_no_password)
    pem = _CERTIFICATE + text.partition(_CERTIFICATE)[2]
    reader = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    reader.load_verify_locations(cadata=pem)
    said = reader.get_ca_certs()
    if len(said) != 1:
        raise ValueError("it holds no certification authority")
    subject = {str(pair[0]): str(pair[1]) for group in said[0]["subject"] for pair in group}
    dates = [ssl.cert_time_to_seconds(str(said[0][which])) * 1000 for which in ("notBefore", "notAfter")]
    return Authority(subject["commonName"], pem, *dates)


def read_leaf(folder: Path) -> tuple[Leaf, ssl.SSLContext] | None:
    """Return the leaf and a context that shows it; None where there is none. Raise StartError for a file that is none."""
    path = folder / LEAF
    if not path.exists():
        return None
    try:
        said, _, _ = path.read_text(encoding="ascii").partition("\n")
        leaf = msgspec.json.decode(said.removeprefix(_SAID), type=Leaf)
        context = serving_context(path)
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as err:
        raise StartError(f"{path} is damaged ({err}); the hub makes a new one when it starts") from err
    _keep_private(path)
    return leaf, context


def put_aside(folder: Path) -> None:
    """Keep a leaf that cannot be read beside the new one."""
    (folder / LEAF).replace(folder / DAMAGED)


def serving_context(path: Path) -> ssl.SSLContext:
    """Return a context that shows the leaf of a file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(path, password=_no_password)
    return context


def write_leaf(folder: Path, leaf: Leaf, pem: str) -> None:
    """Put a leaf in the place of the former one."""
    _write(folder / LEAF, f"{_SAID}{msgspec.json.encode(leaf).decode()}\n{pem}")


def write_authority(folder: Path, pem: str) -> None:
    """Keep an authority, with its first line or fresh from its making; raise StartError where there is one already."""
    if (folder / AUTHORITY).exists():
        raise StartError(f"{folder / AUTHORITY} exists: nothing was written")
    if not pem.startswith(_SAID_AUTHORITY):
        pem = f"{_SAID_AUTHORITY}{_digest(pem)}\n{pem}"
    _write(folder / AUTHORITY, pem, check=lambda fresh: _parsed(pem, fresh))


def authority_with_key(folder: Path) -> str:
    """Return the authority's whole text, key and all, for who may sign or is told: the leaf's making, the store's other hub."""
    return (folder / AUTHORITY).read_text(encoding="ascii")


def _write(path: Path, text: str, *, check: Callable[[Path], object] = lambda _: None) -> None:
    """Write for the owner only, whole or not at all, durable when this returns."""
    fresh = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        check(fresh)
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as err:
        raise StartError(f"{path}: {err.strerror}; make it writable, or free some space") from err


def _keep_private(path: Path) -> None:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        path.chmod(0o600)
        log.warning(
            "a private key could be read by others: its file is for its owner only again", extra={"file": path.name}
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _no_password() -> bytes:
    raise ValueError("the key is encrypted")


def _damaged(path: Path, err: Exception) -> str:
    return (
        f"{path} is damaged ({err}). Put it back from the backup or from the store's other hub: every tablet trusts it. "
        "If there is none, move the file away: a new one is made, and each tablet has to trust that one at /pair"
    )
