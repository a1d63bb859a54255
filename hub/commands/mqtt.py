"""`storehub mqtt accounts --mosquitto DIR [--certificate]`: write mosquitto's password file and ACL from who is paired.

Reads the database beside a running hub. DIR gets `passwords` and `acl`, and on request `server.pem` (the hub's
certificate with its key): mode 0640, each replaced in one step, and only when it says something new. The hub's own
account is that of its MQTT devices; a reader (Home Assistant) keeps the password that it has in the file, and a new
one is shown once. Not here: what the files say (hub.mosquitto).
"""

import os
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from hub.config import Config
from hub.mosquitto import SALT_BYTES, Account, acl_file, is_password_of, password_file, password_hash
from hub.store.readers import open_to_read
from hub.store.staff.tills import mqtt_accounts
from hub.tls.files import LEAF
from sync.errors import ConfigError, StartError

READER_PASSWORD_BYTES = 24


def write_accounts(config: Config, folder: Path, *, readers: Sequence[str], has_certificate: bool = False) -> int:
    """Write the files and say what became of them."""
    own = _own_accounts(config)
    with closing(open_to_read(config.database)) as read:
        devices = [Account(device, hashed) for device, hashed in mqtt_accounts(read) if hashed]
        silent = [device.till_id for device, hashed in mqtt_accounts(read) if not hashed]
    kept = _kept(folder / "passwords")
    passwords = {name: _hashed(password, kept.get(name, "")) for name, password in own.items()}
    for name in readers:
        if name in own or name in {account.device.till_id for account in devices}:
            raise StartError(f"reader {name!r}: somebody else has this name; choose another")
        if name not in kept:
            fresh = secrets.token_urlsafe(READER_PASSWORD_BYTES)
            print(f"{name}\t{fresh}")
            kept[name] = password_hash(fresh, salt=secrets.token_bytes(SALT_BYTES))
        passwords[name] = kept[name]
    files = {
        "passwords": password_file(devices, passwords),
        "acl": acl_file(config.shop.store_id, devices, own=list(own), readers=readers),
        **({"server.pem": _certificate(config.tls_folder / LEAF)} if has_certificate else {}),
    }
    changed = [name for name, text in files.items() if _replace(folder / name, text)]
    said = f"new: {', '.join(changed)}; now: systemctl reload mosquitto" if changed else "nothing is new"
    print(f"{len(devices)} devices, {len(own)} of the hub, {len(readers)} readers; {said}")
    if silent:
        print(f"paired before the hub knew how, pair again: {', '.join(silent)}")
    return 0


def _own_accounts(config: Config) -> dict[str, str]:
    """Return name -> password of the hub's own accounts at its brokers."""
    found: dict[str, str] = {}
    for spec in config.devices:
        name, password = (getattr(spec.options, field, "") for field in ("username", "password"))
        if not name or not spec.kind.startswith("mqtt_"):
            continue
        if ":" in name or "\n" in name or found.setdefault(name, password) != password:
            raise ConfigError(f"devices.{spec.device_id}: user {name!r} has a colon, or another password elsewhere")
    if not found:
        raise ConfigError(
            "no MQTT device of the configuration has a username; give it one, the broker lets nobody in without"
        )
    return found


def _hashed(password: str, kept: str) -> str:
    """Return the hash that the file has where it is this password's: a new salt would be news to the broker."""
    return kept if is_password_of(kept, password) else password_hash(password, salt=secrets.token_bytes(SALT_BYTES))


def _certificate(leaf: Path) -> str:
    try:
        return leaf.read_text(encoding="ascii")
    except OSError as err:
        raise StartError(f"{leaf}: {err.strerror}; a hub that listens on the LAN makes it when it starts") from err


def _kept(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _replace(path: Path, text: str) -> bool:
    """Put a text in place; False where it is there already."""
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return False
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o640)
            file.write(text)
        Path(name).replace(path)
    except OSError as err:
        raise StartError(f"{path}: {err.strerror or err}; name a folder that this user may write") from err
    return True
