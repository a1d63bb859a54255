"""[backup] of the configuration: where copies of the books go, who can read them. Not here: making one (hub.backup).

[backup]         to: a folder on a second medium; recipients: public keys of those who can read; keep: how many stay
                 at a target
                 feed_to: a folder on a medium that stays in, where what is sold is written as it is committed;
                 feed_mib_max
[backup.rsync]   to = "user@host:folder", port, key_file, known_hosts: another host, by ssh
[backup.s3]      endpoint, bucket, prefix, region, access_key_id, secret_key_file, ca_file: an S3-compatible store
"""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from sync.errors import ConfigError
from sync.settings import is_loopback

Recipient = Annotated[str, Meta(pattern=r"^age1[02-9ac-hj-np-z]{58}\Z")]  # an X25519 recipient of age-encryption.org/v1
Absolute = Annotated[str, Meta(max_length=500, pattern=r"^/.*\Z")]


class RsyncSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[backup.rsync]"""

    to: Annotated[
        str, Meta(max_length=500, pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:[^\s:][^\n]*\Z")
    ]
    key_file: Absolute
    known_hosts: Absolute
    port: Annotated[int, Meta(ge=1, le=65535)] = 22


class S3Section(Struct, frozen=True, forbid_unknown_fields=True):
    """[backup.s3]"""

    endpoint: Annotated[str, Meta(max_length=500, pattern=r"^https?://[^\s?#]+\Z")]
    bucket: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")]
    access_key_id: Annotated[str, Meta(pattern=r"^[!-~]{1,128}\Z")]
    secret_key_file: Absolute
    region: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}\Z")] = "us-east-1"
    prefix: Annotated[str, Meta(pattern=r"^([A-Za-z0-9_.-]+/)*\Z", max_length=200)] = ""
    ca_file: Annotated[str, Meta(max_length=500, pattern=r"^(/.*)?\Z")] = ""


class BackupSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[backup]"""

    to: str = ""
    recipients: Annotated[list[Recipient], Meta(max_length=10)] = []
    keep: Annotated[int, Meta(ge=1, le=1000)] = 14
    feed_to: Annotated[str, Meta(max_length=500, pattern=r"^(/.*)?\Z")] = ""
    feed_mib_max: Annotated[int, Meta(ge=8, le=1_000_000)] = 512
    rsync: RsyncSection | None = None
    s3: S3Section | None = None

    @property
    def targets(self) -> list[str]:
        """The names of those that are configured."""
        there = {"folder": self.to, "rsync": self.rsync, "s3": self.s3}
        return [name for name, target in there.items() if target]


def checked(section: BackupSection) -> BackupSection:
    """Return a section that is of one piece; raise ConfigError."""
    if section.feed_to and not section.recipients:
        raise ConfigError(
            "backup.feed_to: `storehub backup new-key` makes who can read it; write that into backup.recipients"
        )
    if section.s3 is not None:
        endpoint = urlsplit(section.s3.endpoint)
        if endpoint.scheme == "http" and not is_loopback(endpoint.hostname or ""):
            raise ConfigError(
                f"backup.s3.endpoint {section.s3.endpoint}: write https://; http:// is for this machine only"
            )
    return section


def read_secret(path: str, option: str) -> str:
    """Return what a file of secrets holds; raise ConfigError for none, or one that others of this machine can read."""
    try:
        if Path(path).stat().st_mode & 0o007:
            raise ConfigError(f"{option}: others of this machine can read {path}: chmod o= it")
        secret = Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{option} {path}: {err}") from err
    if not secret:
        raise ConfigError(f"{option}: {path} is empty")
    return secret
