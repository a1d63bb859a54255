"""Filters on the variable store_hub_config: as TOML, with what the role adds, and what follows from it."""

import copy
import ipaddress
import json
import re

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")


class FilterModule:
    """What Ansible loads."""

    def filters(self):
        return {"hub_toml": hub_toml, "needs_broker": needs_broker, "is_on_lan": is_on_lan, "is_in": is_in}


def hub_toml(config, data_dir, username, password):
    """Return hub.toml: the sections as given, the data folder, and the account of devices at the gateway's own broker."""
    whole = copy.deepcopy(dict(config))
    whole.setdefault("data", {}).setdefault("dir", data_dir)
    for device in _of_own_broker(whole):
        device.setdefault("username", username)
        device.setdefault("password", password)
    return "\n".join(f"{line}" for name, section in whole.items() for line in _section([name], section)) + "\n"


def needs_broker(config):
    """Whether a device speaks MQTT to this machine and the hub starts no broker itself."""
    return "mqtt" not in config and bool(_of_own_broker(config))


def is_on_lan(config):
    """Whether the API is reached from other machines."""
    host = config.get("api", {}).get("host", "127.0.0.1")
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def is_in(address, networks):
    """Whether an address is of one of these networks."""
    # a link-local address may carry its interface
    return any(ipaddress.ip_address(address.partition("%")[0]) in ipaddress.ip_network(each) for each in networks)


def _of_own_broker(config):
    devices = [each for each in config.get("devices", {}).values() if str(each.get("kind", "")).startswith("mqtt_")]
    return [
        each for each in devices if str(each.get("address", "127.0.0.1")).startswith(("127.", "localhost", "[::1]"))
    ]


def _section(path, value):
    """Yield the lines of a section; its own values come before the sections in it, as TOML wants it."""
    if not isinstance(value, dict):
        raise ValueError(f"store_hub_config.{'.'.join(path)}: a section has keys and values, as {{port: 8443}}")
    inner = {key: each for key, each in value.items() if isinstance(each, dict)}
    own = {key: each for key, each in value.items() if key not in inner}
    if own or not inner:
        yield f"[{'.'.join(_key(key) for key in path)}]"
        yield from (f"{_key(key)} = {_value(each)}" for key, each in own.items())
        yield ""
    for key, each in inner.items():
        yield from _section([*path, key], each)


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(each) for each in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(key)} = {_value(each)}' for key, each in value.items())}}}"
    if value is None:
        raise ValueError("store_hub_config: TOML has no null; leave the key out")
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key):
    return key if _BARE_KEY.match(str(key)) else json.dumps(str(key), ensure_ascii=False)
