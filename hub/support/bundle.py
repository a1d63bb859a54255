"""`storehub support-bundle FILE`: program, machine, what the doctor finds, devices, line, size of the books, the log.

Read beside a hub that runs or does not; nothing of the books' content goes in, only how much there is of each kind.
Not here: what is masked (hub.support.masking).
"""

import io
import platform
import sqlite3
import tarfile
import tomllib
from collections.abc import Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from hub.client import now_ms
from hub.commands.asking import ask
from hub.commands.doctor import look
from hub.config import Config
from hub.machine_client import MachineClient
from hub.store.readers import open_to_read
from hub.store.upkeep.sizes import sizes
from hub.support.masking import masked, masked_log
from sync.errors import StartError, SyncError

LOG_BYTES_MAX = 8 << 20  # the newest; a busy day writes two


def write_bundle(config: Config, configuration: Path, target: Path, *, log: bytes) -> str:
    """Write a new file for its owner only and return what is in it; raise StartError where there is one."""
    parts = {
        "about.json": _about(),
        "doctor.json": [msgspec.to_builtins(each) for each in look(config, is_whole=False)],
        "config.json": tomllib.loads(configuration.read_text(encoding="utf-8")),
        "running.json": _running(config),
        "books.json": _books(config),
    }
    files = {name: msgspec.json.format(msgspec.json.encode(masked(part))) for name, part in parts.items()}
    files["log.jsonl"] = masked_log(log[-LOG_BYTES_MAX:])
    try:
        _pack(files, target)
    except OSError as err:
        raise StartError(f"{target}: {err.strerror}; name a new file in a folder that this user may write") from err
    return f"{target}: {', '.join(files)}; look through it before it leaves the house"


def _about() -> dict[str, str]:
    return {
        "program": version("store-hub"),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "kernel": platform.release(),
        "machine": platform.machine(),
    }


def _running(config: Config) -> dict[str, Any]:
    """Devices and the line as the hub tells them; why not, where it does not."""

    async def both(client: MachineClient) -> dict[str, Any]:
        return {
            "devices": msgspec.to_builtins(await client.machine_devices()),
            "line": msgspec.to_builtins(await client.machine_sync()),
        }

    try:
        return ask(config, both)
    except SyncError as err:
        return {"none": str(err)}


def _books(config: Config) -> dict[str, Any]:
    try:
        with closing(open_to_read(config.database)) as read:
            return {"bytes": config.database.stat().st_size, **sizes(read)}
    except SyncError as err:
        return {"none": str(err)}


def _pack(files: Mapping[str, bytes], target: Path) -> None:
    with target.open("xb") as out:
        target.chmod(0o600)
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            for name, content in files.items():
                head = tarfile.TarInfo(name)
                head.size, head.mtime = len(content), now_ms() // 1000
                tar.addfile(head, io.BytesIO(content))
