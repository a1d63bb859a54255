"""Which drivers there are: the files of devices/drivers. The file name is the `kind` of the configuration.

Nothing is imported but the driver asked for, and nothing is opened. A file whose name starts with `_` is no driver.
"""

import difflib
import importlib
import pkgutil
import re
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

import msgspec

from devices import drivers
from devices.driver import Driver, DriverOptions
from devices.errors import OptionError

_KIND = re.compile(r"[a-z][a-z_]*")
_MSGSPEC_PLACE = re.compile(r"(?P<what>.*) - at `\$\.(?P<option>\w+)(?P<inside>.*)`", re.DOTALL)


def kinds(package: ModuleType = drivers) -> dict[str, str]:
    """Return kind -> module name of every driver file, without importing one."""
    found = pkgutil.iter_modules(package.__path__)
    return {
        file.name: f"{package.__name__}.{file.name}"
        for file in sorted(found, key=lambda file: file.name)
        if not file.ispkg and _KIND.fullmatch(file.name)
    }


def load(kind: str, package: ModuleType = drivers) -> Driver:
    """Import the driver file of this kind and return its DRIVER; raise OptionError for a kind that is not there."""
    known = kinds(package)
    if kind not in known:
        raise OptionError(f"unknown kind {kind!r}; known: {', '.join(known)}{near_miss(kind, known)}")
    driver = importlib.import_module(known[kind]).DRIVER
    assert isinstance(driver, Driver), f"{known[kind]}.DRIVER is no devices.driver.Driver"
    return driver


def options_for(kind: str, section: Mapping[str, Any], *, device_id: str) -> DriverOptions:
    """Convert a device's configuration section (its `kind` may be in it) to the options of its driver.

    Raise OptionError that names the device, the option and the remedy. Any: what a TOML section holds.
    """
    try:
        struct = load(kind).options
        given = {name: value for name, value in section.items() if name != "kind"}
        _refuse_unknown(given, msgspec.structs.fields(struct))
        return msgspec.convert(given, struct)
    except OptionError as err:
        raise OptionError(f"{device_id}: {err}") from err
    except msgspec.ValidationError as err:
        raise OptionError(f"{device_id}: {_plain(str(err))}") from err


def near_miss(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean '…'?` for a word that is nearly a known one, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _refuse_unknown(given: Mapping[str, Any], fields: tuple[msgspec.structs.FieldInfo, ...]) -> None:
    known = sorted(field.encode_name for field in fields)
    for name in given:
        if name not in known:
            raise OptionError(f"unknown option {name!r}; known: {', '.join(known)}{near_miss(name, known)}")
    for field in fields:
        if field.required and field.encode_name not in given:
            raise OptionError(f"option {field.encode_name!r} is missing; known: {', '.join(known)}")


def _plain(message: str) -> str:
    """Turn msgspec's "Expected `int`, got `str` - at `$.baudrate`" into a sentence about the option."""
    match = _MSGSPEC_PLACE.fullmatch(message)
    if match is None:
        return message
    what = match["what"].replace("`", "")
    return f"option {match['option'] + match['inside']!r}: {what[:1].lower()}{what[1:]}"
