"""[backup] of the configuration: where copies of the books go, who can read them. Not here: making one (hub.backup)."""

from typing import Annotated

from msgspec import Meta, Struct

Recipient = Annotated[str, Meta(pattern=r"^age1[02-9ac-hj-np-z]{58}\Z")]  # an X25519 recipient of age-encryption.org/v1


class BackupSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[backup]: `to`, a folder on a second medium; `recipients`, public keys of those who can read it; `keep`, how many stay."""

    to: str = ""
    recipients: Annotated[list[Recipient], Meta(max_length=10)] = []
    keep: Annotated[int, Meta(ge=1, le=1000)] = 14
