"""Which sections of the configuration have to say the same at both hubs of a store, and a digest of each.

A till that goes over to the other hub sells there by the same rules: what it may be paid by, what tax is contained in a price,
what needs an approval. What is a machine's own (addresses, devices, folders, its line to the cloud) is not compared.
"""

from hashlib import blake2b

import msgspec

from hub.settings.file import File

SAME_AT_BOTH = (
    *("store", "tax", "tenders", "members", "approvals", "returns", "coupons", "orders", "rights", "stock"),
    "receipt.url",
)


def digests_of(file: File) -> dict[str, str]:
    """Return 16 hex digits of each of these sections; defaults count as if they were written."""
    sections = {name: getattr(file, name) for name in SAME_AT_BOTH if "." not in name}
    return {name: _digest(section) for name, section in (sections | {"receipt.url": file.receipt.url}).items()}


def _digest(section: object) -> str:
    return blake2b(msgspec.json.encode(section, order="sorted"), digest_size=8).hexdigest()
