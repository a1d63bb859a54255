"""Settings files (TOML) of both ends: read with the remedy in the error, unknown keys refused with the nearest known one."""

import difflib
import ipaddress
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from sync.errors import ConfigError

T = TypeVar("T")


def load_settings(path: Path, parse: Callable[[dict[str, Any]], T]) -> T:
    """Read a file and check it with `parse`; raise ConfigError naming the file. Any: TOML."""
    try:
        return parse_settings(path.read_text(encoding="utf-8"), parse)
    except OSError as err:
        raise ConfigError(f"{path}: {err.strerror}; name the file with --config") from err
    except UnicodeDecodeError as err:
        raise ConfigError(f"{path}: not valid TOML: {err}") from err
    except ConfigError as err:
        raise ConfigError(f"{path}: {err}") from err


def parse_settings(text: str, parse: Callable[[dict[str, Any]], T]) -> T:
    """Read a text and check it with `parse`; raise ConfigError. Any: TOML."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        raise ConfigError(f"not valid TOML: {err}") from err
    return parse(raw)


def convert_settings(raw: dict[str, Any], struct: type[T]) -> T:
    """Return the settings of a whole file; raise ConfigError for an unknown key or a wrong value. Any: TOML."""
    _refuse_unknown_keys(raw, struct, "")
    try:
        return msgspec.convert(raw, struct)
    except msgspec.ValidationError as err:
        raise ConfigError(str(err)) from err


def is_loopback(host: str) -> bool:
    """Whether a host's name or address stays on this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse_unknown_keys(given: object, declared: Any, where: str) -> None:
    """Walk sections, tables of sections and lists of sections. Any: a type as declared."""
    kind, inner = get_origin(declared), get_args(declared)
    if isinstance(declared, type) and issubclass(declared, Struct) and isinstance(given, dict):
        _refuse_unknown(given, sorted(declared.__struct_fields__), where)
        for info in msgspec.structs.fields(declared):
            _refuse_unknown_keys(given.get(info.name), info.type, f"{where}{info.name}.")
    elif kind is dict and isinstance(given, dict):
        for name, section in given.items():
            _refuse_unknown_keys(section, inner[1], f"{where}{name}.")
    elif kind is list and isinstance(given, list):
        for index, section in enumerate(given):
            _refuse_unknown_keys(section, inner[0], f"{where.removesuffix('.')}[{index}].")
    else:
        for choice in inner:
            _refuse_unknown_keys(given, choice, where)


def _refuse_unknown(given: dict[str, Any], known: list[str], where: str) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"unknown key '{where}{key}'; known: {', '.join(known)}{meant}")
