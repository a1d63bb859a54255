"""Encryption of backups: age (age-encryption.org/v1), public keys at the hub, the key that reads elsewhere."""

from collections.abc import Sequence
from pathlib import Path

import pyrage

from sync.errors import StartError


class Identity:
    """A key that reads what was encrypted to its recipient; `secret` is its text form."""

    def __init__(self, secret: str) -> None:
        """Take the text form; raise StartError for another."""
        try:
            self._key = pyrage.x25519.Identity.from_str(secret.strip())
        except pyrage.IdentityError as err:
            raise StartError("this is no key of age: it begins with AGE-SECRET-KEY-1") from err
        self.secret = secret.strip()
        self.recipient = str(self._key.to_public())

    @classmethod
    def new(cls) -> "Identity":
        """Make one."""
        return cls(str(pyrage.x25519.Identity.generate()))

    @classmethod
    def of_file(cls, path: Path) -> "Identity":
        """Read the first key of a file as `storehub backup new-key` and age-keygen write it; raise StartError."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as err:
            raise StartError(f"{path}: cannot be read; name the file with the key by --identity") from err
        for line in lines:
            if line.strip() and not line.startswith("#"):
                return cls(line)
        raise StartError(f"{path}: there is no key in it")

    def open(self, sealed: bytes) -> bytes:
        """Return what was sealed for this key; raise StartError when it was not, or is damaged."""
        try:
            return bytes(pyrage.decrypt(sealed, [self._key]))
        except pyrage.DecryptError as err:
            raise StartError(f"made for another key, or damaged ({err})") from err

    def decrypt(self, sealed: Path, into: Path) -> None:
        """Write what a file holds; raise StartError when it was not made for this key, or is damaged."""
        try:
            with sealed.open("rb") as source, into.open("wb") as target:
                pyrage.decrypt_io(source, target, [self._key])
        except pyrage.DecryptError as err:
            raise StartError(f"{sealed}: made for another key, or damaged ({err})") from err
        except OSError as err:
            raise StartError(f"{sealed}: {err}") from err


def encrypt(plain: Path, into: Path, recipients: list[str]) -> None:
    """Write a file that only the recipients read; raise StartError for what is no recipient, OSError."""
    keys = _keys(recipients)
    with plain.open("rb") as source, into.open("wb") as target:
        pyrage.encrypt_io(source, target, keys)


def seal(plain: bytes, recipients: Sequence[str]) -> bytes:
    """Return what only the recipients read; raise StartError for what is no recipient."""
    return bytes(pyrage.encrypt(plain, _keys(recipients)))


def _keys(recipients: Sequence[str]) -> list[pyrage.x25519.Recipient]:
    try:
        return [pyrage.x25519.Recipient.from_str(each) for each in recipients]
    except pyrage.RecipientError as err:
        raise StartError("backup.recipients: one is mistyped; `storehub backup new-key` shows a right one") from err
