"""Reads a backup to its end: right key, whole, undamaged, and a database that SQLite finds nothing wrong with.

As a program, `python -m hub.backup.checking FILE FOLDER` with the key on standard input: prints the manifest; what is wrong goes
to standard error, exit code 1.
"""

import shutil
import sys
from contextlib import closing
from pathlib import Path

import msgspec

from hub.backup.age import Identity
from hub.backup.archive import Manifest, unpack
from hub.store.upkeep.copying import damage, describe
from sync.connections import connect_reader
from sync.errors import StartError


def open_backup(sealed: Path, key: Identity, into: Path) -> Manifest:
    """Unpack a backup into a new folder and check it; raise StartError saying what is wrong."""
    into.mkdir(parents=True)
    packed = into.with_name(f"{into.name}.packed")
    try:
        key.decrypt(sealed, packed)
        manifest = unpack(packed, into)
    finally:
        packed.unlink(missing_ok=True)
    with closing(
        connect_reader(into / "hub.db")
    ) as read:  # of an earlier version, too: the hub upgrades it at its start
        if wrong := damage(read):
            raise StartError(f"the database in {sealed.name} is damaged: {wrong}")
        copied = describe(read)
    if copied is None or (copied.rep, copied.heads) != (manifest.rep, manifest.heads):
        raise StartError(f"{sealed.name}: the database is not the one that its manifest names")
    return manifest


def main() -> int:
    """Check one and leave nothing behind."""
    sealed, folder = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        manifest = open_backup(sealed, Identity(sys.stdin.read()), folder)
    except StartError as err:
        print(err, file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(msgspec.json.encode(manifest).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
