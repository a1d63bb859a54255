"""`storehub segment FILE.toml`: preview a segment at the cloud end, declare it, bring its members up to date.

The file is what POST /cloud/v1/segments takes: segment, name, filter, tag. Talks to a running cloud with an office token. Exit
code 1 where the cloud refuses, with what it says.
"""

import http.client
import json
import tomllib
import urllib.parse
from pathlib import Path
from typing import Any

from sync.errors import ConfigError, StartError

TIMEOUT_S = 60.0  # an evaluation of many members


def segment(file: Path, *, url: str, token_file: Path, is_put: bool) -> int:
    """Show whom a segment finds; with `is_put` declare and evaluate it."""
    wanted, token = _read(file), _token(token_file)
    status, said = _post(url, token, "/segments/preview", {"filter": wanted.get("filter")})
    if status != 200:
        return _refused(file, said)
    print(f"{wanted.get('segment', file.stem)}: {said['count']} persons")
    for each in said["sample"]:
        print(f"  {each['member_id']}  {each['name']}  {each['phone']}  {each['email']}".rstrip())
    if not is_put:
        return 0
    status, said = _post(url, token, "/segments", wanted)
    if status not in (200, 201):
        return _refused(file, said)
    status, said = _post(url, token, f"/segments/{said['segment']}/evaluation", {})
    if status != 200:
        return _refused(file, said)
    print(f"version {said['version']}: {said['count']} in it, {said['entered']} came in, {said['left']} went out")
    return 0


def _read(file: Path) -> dict[str, Any]:
    """Return the declaration; raise ConfigError. Any: TOML."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as err:
        raise ConfigError(f"{file}: {err.strerror}; name a TOML file with segment, name and filter") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigError(f"{file}: not valid TOML: {err}") from err


def _token(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{file}: {err}; write an office token of cloud.toml into it") from err


def _post(url: str, token: str, path: str, body: Any) -> tuple[int, Any]:
    """Return status and answer of a route of head office; raise StartError where nobody answers. Any: JSON."""
    at = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    connection = kind(at.hostname or "", at.port, timeout=TIMEOUT_S)
    try:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", f"/cloud/v1{path}", json.dumps(body, default=str).encode(), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as err:
        raise StartError(f"{url}: {err}; is the cloud end running there? name it with --url") from err
    finally:
        connection.close()


def _refused(file: Path, said: Any) -> int:
    print(f"{file}: {said.get('title')}: {said.get('detail')} ({said.get('pointer')}); {said['remedy']['en']}")
    return 1
