"""What lies in DIR/cloud, for its owner only: the token that this hub drew, its certificate for the cloud, whom it trusts there.

    token        in use; read at each connection, so that an exchanged one needs no restart
    token.new    drawn and not yet known to be the cloud's: the same request goes again with it
    client.pem   key and certificate, where the cloud asks for one
    ca.pem       who signs the cloud's own certificate, where that is nobody whom this machine trusts

A token in hub.toml wins. Not here: asking the cloud (hub.enrolment.joining), making keys (hub.tls.requesting).
"""

import os
import ssl
from pathlib import Path

from hub.settings.lines import CloudLine
from sync.errors import StartError
from sync.line.wire import WireError

TOKEN, TOKEN_NEW, CLIENT, AUTHORITY = "token", "token.new", "client.pem", "ca.pem"


def token_of(line: CloudLine) -> str:
    """Return the token of this hub at the cloud, "" where it has none yet."""
    return line.token or read_text(line.folder / TOKEN).strip()


def token_to_dial(line: CloudLine) -> str:
    """Return the token; raise WireError (not_enrolled) where there is none yet."""
    token = token_of(line)
    if not token:
        raise WireError("not_enrolled", f"no token in hub.toml and none in {line.folder}")
    return token


def context_of(line: CloudLine) -> ssl.SSLContext | None:
    """Return what TLS to the cloud shows and trusts, None where the machine's own roots do; raise WireError for damage."""
    client, authority = line.folder / CLIENT, line.folder / AUTHORITY
    if not client.exists() and not authority.exists():
        return None
    try:
        return _context(client, authority)
    except (OSError, ValueError) as err:  # ssl.SSLError is an OSError
        raise WireError("tls", f"{line.folder}: {err}; enrol this hub again") from err


def trusting(authority: Path | None, client: Path | None = None) -> ssl.SSLContext:
    """Return a context that trusts the machine's roots and those of a file; raise StartError for one that cannot be read."""
    try:
        return _context(client, authority)
    except (OSError, ValueError) as err:
        raise StartError(f"{authority}: {err}; name a file with certificates in PEM") from err


def read_text(path: Path) -> str:
    """Return what a file says, "" where there is none; raise StartError for one that cannot be read."""
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as err:
        raise StartError(f"{path}: {err}; enrol this hub again") from err


def write_private(path: Path, text: str) -> None:
    """Write for the owner only, whole or not at all, durable when this returns; raise StartError."""
    fresh = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
    except (OSError, UnicodeEncodeError) as err:
        raise StartError(f"{path}: {err}; run as the hub's user, or free some space") from err


def _context(client: Path | None, authority: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if authority is not None and authority.exists():
        context.load_verify_locations(authority)
    if client is not None and client.exists():
        context.load_cert_chain(client, password=_no_password)
    return context


def _no_password() -> bytes:
    raise ValueError("the key is encrypted")
