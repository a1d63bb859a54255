"""`storehub schema diff | reference`: the next migration out of the declarations in sync/retail; the reference pages of these
and of the drivers in devices/drivers.

For whoever changes a declaration, in a checkout. Not here: running migrations (sync.migrate), the comparison (sync.store.schema).
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from devices.reference import reference_page as devices_page
from devices.registry import kinds
from hub.migrations import MIGRATIONS
from sync.cloud.migrations import MIGRATIONS as CLOUD_MIGRATIONS
from sync.entities import REGISTRY, Registry
from sync.errors import SyncError
from sync.migrate import migrate
from sync.reference import reference_page
from sync.store.schema import Difference, compare, compare_cloud

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "hub" / "migrations"
PAGE = ROOT / "docs" / "entities.md"
DEVICES_PAGE = ROOT / "docs" / "devices.md"


def write_difference(folder: Path, name: str, registry: Registry = REGISTRY) -> int:
    """Write the next numbered SQL into the folder, or say that there is nothing to do."""
    found = hub_difference(registry)
    refused = [*found.refused, *cloud_difference(registry).refused]
    if refused:
        raise SyncError("schema", "no migration was written: " + "; ".join(refused))
    if not found.statements:
        print("nothing to do: the migrations make all that the declarations want")
        return 0
    numbers = [int(file.name[:4]) for file in folder.glob("[0-9][0-9][0-9][0-9]_*.sql")]
    path = folder / f"{max(numbers, default=0) + 1:04}_{name}.sql"
    path.write_text("\n".join(found.statements) + "\n", encoding="utf-8")
    print(f"{path}: {len(found.statements)} statements; read it, then run the tests")
    return 0


def write_reference(file: Path) -> int:
    """Write the reference page."""
    file.write_text(reference_page(REGISTRY), encoding="utf-8")
    print(f"{file}: {len(REGISTRY.entities)} entities")
    return 0


def write_devices(file: Path) -> int:
    """Write the page of supported devices."""
    file.write_text(devices_page(), encoding="utf-8")
    print(f"{file}: {len(kinds())} kinds")
    return 0


def hub_difference(registry: Registry = REGISTRY) -> Difference:
    """Compare what all migrations of the hub make of an empty file with the declarations."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as empty:
        migrate(empty, MIGRATIONS)
        return compare(empty, registry.entities)


def cloud_difference(registry: Registry = REGISTRY) -> Difference:
    """The same at the cloud's end, which keeps rows of every entity of a kind in the tables of that kind."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as empty:
        migrate(empty, CLOUD_MIGRATIONS)
        return compare_cloud(empty, registry.entities)
