"""mosquitto's password file and ACL, from who is paired and what they may do. Pure.

A password is kept as mosquitto keeps it: PBKDF2 with SHA-512, `$7$iterations$salt$hash`. A device's token is 256 random bits, so
the iterations are mosquitto's default and no more. Source: mosquitto.conf(5), mosquitto_passwd(1). Not here: rights
(hub.mqtt_rights).
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence

from msgspec import Struct

from hub.mqtt_rights import own_filters, store_prefixes
from hub.store.staff.tills import Paired

SALT_BYTES = 12
_ITERATIONS = 101


class Account(Struct, frozen=True):
    """A paired device and its password as mosquitto keeps it."""

    device: Paired
    password_hash: str


def password_hash(password: str, *, salt: bytes) -> str:
    """Return a password as mosquitto's password file has it."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def is_password_of(kept: str, password: str) -> bool:
    """Whether a hash of the password file is this password's."""
    _, form, _, salt, _ = kept.split("$") if kept.count("$") == 4 else [""] * 5
    return form == "7" and kept == password_hash(password, salt=base64.b64decode(salt))


def password_file(devices: Sequence[Account], others: Mapping[str, str]) -> str:
    """Return the password file; `others` are the hub's own account and readers, name -> hash."""
    lines = {account.device.till_id: account.password_hash for account in devices} | dict(others)
    return "".join(f"{name}:{hashed}\n" for name, hashed in lines.items())


def acl_file(store_id: str, devices: Sequence[Account], *, own: Sequence[str], readers: Sequence[str]) -> str:
    """Return the ACL: who is not named may do nothing."""
    prefixes = store_prefixes(store_id)
    users = [(name, [f"readwrite {prefix}#" for prefix in prefixes]) for name in own]
    users += [(name, [f"read {prefix}#" for prefix in prefixes]) for name in readers]
    users += [
        (account.device.till_id, [f"write {topic}" for topic in own_filters(store_id, account.device)])
        for account in devices
    ]
    head = "# Written by `storehub mqtt accounts`; the next run replaces it.\n"
    return head + "".join(f"user {name}\n" + "".join(f"topic {each}\n" for each in may) for name, may in users)
