"""The configuration file: what is wrong stops the start with the key, the value, the remedy, and the nearest known word."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hub.config import load_config, parse_config
from sync.errors import ConfigError
from sync.schedule import Schedule

STORE = {"id": "hk01", "name_zh_hant": "示範店", "name_en": "Demo", "currency": "HKD"}
CLOUD = {"url": "https://cloud.example.com", "token": "a-secret"}
PRINTER = {"kind": "escpos_printer", "address": "127.0.0.1:9100"}


def raw(**sections: Any) -> dict[str, Any]:
    return {"store": STORE} | sections


def refusal(tmp_path: Path, whole: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as refused:
        parse_config(whole, base=tmp_path)
    return str(refused.value)


def test_the_least_file_is_a_shop_on_loopback(tmp_path: Path) -> None:
    config = parse_config(raw(), base=tmp_path)

    assert (config.shop.store_id, config.host, config.synchronous, config.devices) == ("hk01", "127.0.0.1", "full", ())
    assert config.database == tmp_path / "hub.db"


@pytest.mark.parametrize(
    ("whole", "words"),
    [
        (raw(stroe={}), ("'stroe'", "did you mean 'store'?")),
        (raw(api={"prot": 1}), ("'api.prot'", "did you mean 'port'?")),
        (raw(data={"synchronus": "off"}), ("'data.synchronus'", "did you mean 'synchronous'?")),
        (raw(devices={"p1": PRINTER | {"adress": "x"}}), ("p1", "'adress'", "did you mean 'address'?")),
        (
            raw(devices={"p1": PRINTER | {"kind": "escpos_prnter"}}),
            ("'escpos_prnter'", "did you mean 'escpos_printer'?"),
        ),
        (raw(devices={"p1": {"address": "x"}}), ("devices.p1", 'kind = "..."')),
        (raw(devices={"p1": {"kind": "escpos_printer"}}), ("p1", "one of address, port")),
        (raw(devices={"p1": PRINTER | {"poll_s": "often"}}), ("p1", "'poll_s'")),
        (raw(devices={"p1": PRINTER | {"poll_s": 0}}), ("p1", "'poll_s'")),
        (raw(devices={"Printer 1": PRINTER}), ("Printer 1", "small letters")),
        (raw(receipt={"printer": "p2"}, devices={"p1": PRINTER}), ("'p2'", "printers: p1")),
        (raw(receipt={"printer": "p1"}), ("'p1'", "printers: none")),
        (raw(api={"port": 65536}), ("$.api.port",)),
        (raw(tax={"rate_bp": 10_001}), ("$.tax.rate_bp",)),
        (raw(tax={"rate": 500}), ("'tax.rate'", "did you mean 'rate_bp'?")),
        (raw(tenders={"cash": {"kind": "coins", "name_en": "Cash"}}), ("coins",)),
        (raw(tenders={"Cash": {"kind": "cash", "name_en": "Cash"}}), ("tenders.Cash", "small letters")),
        (raw(tenders={"cash": {"kind": "cash"}}), ("tenders.cash", "name_en")),
        (raw(tenders={"card": {"kind": "card", "name_en": "x", "offline": "cap"}}), ("offline_max_minor",)),
        (raw(tenders={"card": {"kind": "card", "name_en": "x", "offline_max_minor": 5}}), ("offline_max_minor",)),
        (raw(api={"port": "8080"}), ("$.api.port",)),
        (raw(store=STORE | {"zone": "Asia/HongKong"}), ("'Asia/HongKong'", "IANA")),
        (raw(store=STORE | {"zone": "../../etc/passwd"}), ("IANA",)),
        (raw(store=STORE | {"currency": "hkd"}), ("$.store.currency",)),
        (raw(store=STORE | {"cut_over_hour": 13}), ("$.store.cut_over_hour",)),
        (raw(store=STORE | {"id": "HK 01"}), ("$.store.id",)),
        (raw(store="hk01"), ("$.store",)),
        (raw(cloud={}), ("needs url", 'mode = "pull"')),
        (raw(cloud={"url": "http://shop.example", "token": "t"}), ("http://shop.example", "https://")),
        (raw(cloud=CLOUD | {"mode": "scheduld"}), ("scheduld",)),
        (raw(cloud=CLOUD | {"every_s": 60}), ("every_s", 'mode = "scheduled"')),
        (raw(cloud=CLOUD | {"mode": "realtime", "wake_for": ["sales"]}), ("wake_for", 'mode = "scheduled"')),
        (raw(cloud=CLOUD | {"mode": "scheduled", "every_s": 0.5}), ("$.cloud.every_s",)),
        (raw(cloud=CLOUD | {"mode": "scheduled", "wake_for": ["salse"]}), ("'salse'", "sales")),
        (raw(cloud=CLOUD | {"transport": "carrier-pigeon"}), ("carrier-pigeon",)),
        (raw(cloud=CLOUD | {"every": 60}), ("'cloud.every'", "did you mean 'every_s'?")),
        (raw(devices=[]), ("$.devices",)),
        ({}, ("store",)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_wrong_file_names_the_key_and_the_remedy(
    tmp_path: Path, whole: dict[str, Any], words: tuple[str, ...]
) -> None:
    message = refusal(tmp_path, whole)

    assert [word for word in words if word not in message] == [], message


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.10", "fd12::1"])
def test_an_address_that_others_can_reach_is_served_by_tls(tmp_path: Path, host: str) -> None:
    config = parse_config(raw(api={"host": host}), base=tmp_path)
    assert (config.host, config.is_on_lan, config.receipt_url) == (host, True, "https://hk01.local:8080")


@pytest.mark.parametrize("host", ["hub.local", "127.0.0.1.evil.example", "", "192.168.1", "[::1]"])
def test_what_is_no_address_is_refused(tmp_path: Path, host: str) -> None:
    assert "0.0.0.0 (the shop's network, by TLS)" in refusal(tmp_path, raw(api={"host": host}))


@pytest.mark.parametrize(
    "name", ["Till.shop.example", "-a.example", "a..example", "a_b.example", "*.example", "a/b", ""]
)
def test_a_name_that_no_certificate_can_hold_is_refused(tmp_path: Path, name: str) -> None:
    assert "tls.names" in refusal(tmp_path, raw(tls={"names": [name]}))


@pytest.mark.parametrize("pin", ["ab" * 31, "xy" * 32, "ab:" * 32])
def test_a_fingerprint_that_is_none_is_refused(tmp_path: Path, pin: str) -> None:
    section = {"follows": "https://hub-a.local:8443", "token": "t", "ca_sha256": pin}
    assert "standby.ca_sha256" in refusal(tmp_path, raw(standby=section))


def test_a_fingerprint_is_of_no_use_without_tls(tmp_path: Path) -> None:
    section = {"follows": "http://127.0.0.1:8443", "token": "t", "ca_sha256": "ab" * 32}
    assert "write https://" in refusal(tmp_path, raw(standby=section))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_this_machines_own_addresses_are_fine(tmp_path: Path, host: str) -> None:
    assert parse_config(raw(api={"host": host}), base=tmp_path).host == host


@pytest.mark.parametrize("content", [b"[store", b"\xff\xfe", b"store = 1\nstore = 2\n"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hub.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigError, match=f"{path}: not valid TOML"):
        load_config(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name the file with --config"):
        load_config(tmp_path / "none.toml")


def test_a_wrong_file_ends_the_program_with_78_and_one_line(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text('[stroe]\nid = "x"\n', encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "hub", "run", "--config", str(path)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1)
    assert str(path) in done.stderr and "did you mean 'store'?" in done.stderr
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("section", "mode", "schedule"),
    [
        (CLOUD, "realtime", None),
        (CLOUD | {"mode": "realtime"}, "realtime", Schedule("realtime")),
        (CLOUD | {"mode": "scheduled"}, "realtime", Schedule("scheduled", 900.0)),
        (CLOUD | {"mode": "scheduled", "every_s": 60}, "realtime", Schedule("scheduled", 60.0)),
        ({"mode": "pull"}, "pull", None),
    ],
)
def test_a_line_is_what_the_file_names(
    section: dict[str, Any], mode: str, schedule: Schedule | None, tmp_path: Path
) -> None:
    line = parse_config(raw(cloud=section), base=tmp_path).cloud

    assert line is not None and (line.mode, line.schedule, line.transport) == (mode, schedule, "auto")
    assert "a-secret" not in repr(line)
