"""The demo's configuration: ordinary files for an ordinary hub and an ordinary cloud, and the keys that belong in them."""

import json
import secrets
from pathlib import Path

import msgspec
from msgspec import Struct, field

from devices.testing.scanners import SimulatedScanner

CURRENCY = "HKD"
STORE_ID = "demo-hk01"
WEIGHT_TEMPLATE = "21IIIIIWWWWWC"
DOORS = "doors"  # what the counters' gateway is paired as
ENTRANCES = {"door-main": "main-door", "door-mall": "mall-door"}  # sensor: where it hangs
KEYS_FILE = "keys.json"
_MQTT_USER = "hub"
_RIGHTS = """\
safety_stock = 2
online_share_pct = 30
single_item = false
"""  # alike at both ends

_HUB_TOML = """\
# Written by `storehub demo` at each start.
[store]
id = "{store}"
name_zh_hant = "好日子生活百貨"
name_en = "Good Days Living"
currency = "{currency}"
zone = "Asia/Hong_Kong"
cut_over_hour = 4
receipt_header = ["九龍示範道 1 號  1 Demo Road, Kowloon"]
receipt_footer = ["多謝惠顧，退換請帶同單據", "Thank you. Please keep this receipt."]

[api]
port = {port}

[receipt]
printer = "lane1-printer"

[members]
points = {{ points = 1, per = 100 }}
points_worth = {{ points = 1, minor = 10 }}
burn_off_line_max = 500

[coupons]
exposed_max_minor = 50000

[rights]
{rights}
[cloud]
url = "http://127.0.0.1:{cloud_port}"
token = "{keys.store_token}"
import_token = "{keys.office_token}"
reconnect_max_s = {reconnect_max_s}

[mqtt]
port = {mqtt_port}
username = "{mqtt_user}"
password = "{keys.mqtt_password}"

[[console.pages]]
title_zh_hant = "打印機出紙"
title_en = "Printer paper"
url = "{paper_url}"
{line_page}
[devices.lane1-scanner]
kind = "serial_scanner"
port = {lane1}
variable_measures = ["{template}"]

[devices.lane2-scanner]
kind = "hid_scanner"
path = {lane2}
variable_measures = ["{template}"]

[devices.lane2-scale]
kind = "toledo_scale"
port = {scale}

[devices.lane2-display]
kind = "pole_display"
port = {display}
encoding = "big5-hkscs"

[devices.lane1-printer]
kind = "escpos_printer"
address = "{printer}"
encoding = "big5-hkscs"
poll_s = {poll_s}

[devices.counters]
kind = "mqtt_counter"
store = "{store}"
address = "127.0.0.1:{mqtt_port}"
username = "{mqtt_user}"
password = "{keys.mqtt_password}"
entrances = {{ {entrances} }}
{radio}"""
_LINE_PAGE = """
[[console.pages]]
title_zh_hant = "往總部的線路"
title_en = "Line to the cloud"
url = "{url}"
height = 150
"""
_CLOUD_TOML = """\
# Written by `storehub demo` at each start.
[cloud]
id = "demo-cloud"
port = {port}
dir = "cloud"
demo_line = true

[stores.{store}]
token = "{keys.store_token}"

[stores.{store}.rights]
{rights}
[[tokens]]
name = "head-office"
token = "{keys.office_token}"
scope = "office"
"""


def _key() -> str:
    return secrets.token_urlsafe(24)


class Keys(Struct, frozen=True):
    """What the demo's programs prove themselves with; kept, so that a restart is the same store at the same cloud."""

    store_token: str = field(default_factory=_key)
    office_token: str = field(default_factory=_key)
    mqtt_password: str = field(default_factory=_key)


class Wiring(Struct, frozen=True, kw_only=True):
    """Where the demo's parts listen."""

    port: int
    cloud_port: int
    mqtt_port: int
    printer: str
    lane1: SimulatedScanner
    lane2: SimulatedScanner
    scale: str
    display: str
    paper_url: str
    line_url: str = ""
    radio: str = ""
    reconnect_max_s: float = 5.0
    poll_s: float = 3.0


def load_keys(data: Path) -> Keys:
    """Return the folder's keys; make them when there are none."""
    try:
        return msgspec.json.decode((data / KEYS_FILE).read_bytes(), type=Keys)
    except (OSError, msgspec.MsgspecError):
        keys = Keys()
        write_private(data / KEYS_FILE, msgspec.json.encode(keys).decode())
        return keys


def hub_toml(wiring: Wiring, keys: Keys) -> str:
    """Return the configuration file of the demo's hub."""
    return _HUB_TOML.format(
        store=STORE_ID,
        currency=CURRENCY,
        rights=_RIGHTS,
        port=wiring.port,
        cloud_port=wiring.cloud_port,
        mqtt_port=wiring.mqtt_port,
        mqtt_user=_MQTT_USER,
        keys=keys,
        reconnect_max_s=wiring.reconnect_max_s,
        poll_s=wiring.poll_s,
        printer=wiring.printer,
        lane1=json.dumps(wiring.lane1.device_path),  # a TOML string is written as a JSON one
        lane2=json.dumps(wiring.lane2.device_path),
        scale=json.dumps(wiring.scale),
        display=json.dumps(wiring.display),
        paper_url=wiring.paper_url,
        line_page=_LINE_PAGE.format(url=wiring.line_url) if wiring.line_url else "",
        template=WEIGHT_TEMPLATE,
        radio=wiring.radio,
        entrances=", ".join(f'"{DOORS}/{sensor}" = "{entrance}"' for sensor, entrance in ENTRANCES.items()),
    )


def cloud_toml(port: int, keys: Keys) -> str:
    """Return the configuration file of the demo's cloud."""
    return _CLOUD_TOML.format(port=port, store=STORE_ID, keys=keys, rights=_RIGHTS)


def counter_topic(sensor: str) -> str:
    """Return where a sensor publishes its counts."""
    return f"store/{STORE_ID}/counter/{DOORS}/{sensor}/count"


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner only: codes and tokens are in it."""
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    new.replace(path)
