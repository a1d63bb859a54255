"""`storehub explain KEY [--cloud cloud.toml]`: who wrote what about a key, which write stands and why.

Reads the file beside a running hub or cloud; exit code 1 for an unknown key. Not here: what is said (hub.store.upkeep.explain,
sync.cloud.explain).
"""

from contextlib import closing
from pathlib import Path

from hub.config import Config
from hub.store.readers import open_to_read
from hub.store.upkeep.explain import explain
from sync.cloud import explain as cloud
from sync.cloud.config import load_cloud_config
from sync.cloud.databases import connect_to_read
from sync.errors import StartError
from sync.store.replicas import own_replica


def explain_here(key: str, config: Config) -> int:
    """Explain a key by this hub's file."""
    with closing(open_to_read(config.database)) as read:
        own = own_replica(read)
        if own is None:
            raise StartError(f"{config.database}: this hub has never run; it knows nothing")
        return _show(key, explain(read, own, key))


def explain_at_cloud(key: str, file: Path) -> int:
    """Explain a key by the cloud's file."""
    with closing(connect_to_read(load_cloud_config(file))) as read:
        return _show(key, cloud.explain(read, key))


def _show(key: str, lines: list[str]) -> int:
    if not lines:
        print(f"nothing is known of {key!r} here")
        return 1
    print("\n".join(lines))
    return 0
