"""The demo store's configuration: an ordinary file for an ordinary hub."""

import json

from devices.testing.serial_line import VirtualSerialLine

CURRENCY = "HKD"
WEIGHT_TEMPLATE = "21IIIIIWWWWWC"

_TOML = """\
# Written by `storehub demo` at each start.
[store]
id = "demo-hk01"
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

[[console.pages]]
title_zh_hant = "打印機出紙"
title_en = "Printer paper"
url = "{paper_url}"

[devices.lane1-scanner]
kind = "serial_scanner"
port = {lane1}
variable_measures = ["{template}"]

[devices.lane2-scanner]
kind = "serial_scanner"
port = {lane2}
variable_measures = ["{template}"]

[devices.lane1-printer]
kind = "escpos_printer"
address = "{printer}"
encoding = "big5-hkscs"
"""


def hub_toml(port: int, printer: str, lane1: VirtualSerialLine, lane2: VirtualSerialLine, paper_url: str) -> str:
    """Return the configuration file of the demo's hub."""
    return _TOML.format(
        currency=CURRENCY,
        port=port,
        printer=printer,
        lane1=json.dumps(lane1.device_path),  # a TOML string is written as a JSON one
        lane2=json.dumps(lane2.device_path),
        paper_url=paper_url,
        template=WEIGHT_TEMPLATE,
    )
