"""Which version is installed, read once at the start: later the files on the disk may be another version's.

Not by importlib.metadata, which takes 20 ms and a MiB that a hub does not have.
"""

import sys
from pathlib import Path

_FOLDERS = "store_hub-*.dist-info"  # PEP 376: NAME-VERSION.dist-info


def installed_version() -> str:
    """Return the version of the package that this program is run from; "" where it is not installed."""
    found = (folder.name for path in sys.path for folder in Path(path or ".").glob(_FOLDERS))
    return next((name.removesuffix(".dist-info").partition("-")[2] for name in found), "")
