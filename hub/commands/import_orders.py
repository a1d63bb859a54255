"""`storehub cloud import-orders FILE`: a marketplace's file goes to the running cloud, which says what it came to.

The cloud writes, because it is running: this command reads cloud.toml for its address and head office's token, and sends
the file.
"""

import argparse
import http.client
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from sync.cloud.config import CloudConfig, load_cloud_config
from sync.errors import ConfigError, StartError

TIMEOUT_S = 300.0  # a hundred thousand rows
BOUNDARY = "storehub-7d1b5a0c9e3f4c6d"


def import_orders(args: argparse.Namespace) -> int:
    """Send a file; print the report; return 1 where a row was refused."""
    config = load_cloud_config(args.config)
    channel = _channel(config, args.channel)
    content = _read(args.file)
    mapping = _read(args.mapping) if args.mapping else b""
    token = _office_token(args.config)
    path = f"/cloud/v1/channels/{quote(channel)}/files?dry_run={str(args.dry_run).lower()}"
    status, said = _post(config, path, _form({"mapping": mapping, "file": content}), token=token)
    if status != 200:
        raise StartError(f"{args.file}: {said.get('detail') or said.get('title')}; {_remedy(said, args.language)}")
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(said)).decode())
    else:
        print(said["text"][args.language])
    return 1 if said["refused"] else 0


def _channel(config: CloudConfig, named: str) -> str:
    files = [name for name, channel in config.channels.items() if channel.kind == "file"]
    if named in files:
        return named
    if not named and len(files) == 1:
        return files[0]
    known = ", ".join(files) or "none"
    raise ConfigError(f'--channel {named!r}: name a channel of kind = "file"; known: {known}')


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        raise StartError(f"{path}: {err.strerror or err}; check path and rights") from err


def _office_token(path: Path) -> str:
    """Return head office's token as the configuration has it, which was checked already."""
    for each in tomllib.loads(path.read_text(encoding="utf-8")).get("tokens", []):
        if each.get("scope", "office") == "office":
            kept: str = each.get("token") or (path.parent / each["token_file"]).read_text(encoding="utf-8").strip()
            return kept
    raise ConfigError(f"{path}: no [[tokens]] of scope office; write one, the file is sent with it")


def _form(parts: dict[str, bytes]) -> bytes:
    """Return multipart/form-data; a boundary that stands in a part would end it."""
    if any(BOUNDARY.encode() in content for content in parts.values()):
        raise StartError("the file holds the form's boundary; save it again")
    sent = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in parts.items()
        if content or name == "file"
    ]
    return b"".join(sent) + f"--{BOUNDARY}--\r\n".encode()


def _post(config: CloudConfig, path: str, body: bytes, *, token: str) -> tuple[int, dict[str, Any]]:  # Any: JSON
    headers = {"Authorization": f"Bearer {token}", "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    connection = http.client.HTTPConnection(config.host, config.port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", path, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, msgspec.json.decode(response.read(), type=dict[str, Any])
    except (OSError, http.client.HTTPException, msgspec.MsgspecError) as err:
        where = f"{config.host}:{config.port}"
        raise StartError(f"no cloud answers on {where} ({err}); start it with `storehub cloud`") from err
    finally:
        connection.close()


def _remedy(said: dict[str, Any], language: str) -> str:
    return str(said.get("remedy", {}).get(language, "see the cloud's log"))
