"""cloud.toml: strict, with a remedy in every refusal; tokens are not kept as they are."""

from pathlib import Path
from typing import Any

import pytest

from sync.cloud.config import load_cloud_config, parse_cloud_config, token_hash
from sync.errors import ConfigError
from sync.schedule import Schedule

TOKEN, OTHER = "a-token-of-the-store-1", "a-token-of-the-office-1"
WHOLE = """
[cloud]
id = "cloud"
port = 0
dir = "data"
demo_line = true
[stores.hk01]
token = "a-token-of-the-store-1"
[stores.hk02]
token_file = "hk02.token"
mode = "pull"
url = "http://127.0.0.1:8080/"
hub_token = "what-the-hub-gave-out-1"
every_s = 5
[[tokens]]
name = "office"
token = "a-token-of-the-office-1"
scope = "office"
"""


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "hk02.token").write_text("from-a-file-0123456789\n")
    (tmp_path / "cloud.toml").write_text(WHOLE)

    config = load_cloud_config(tmp_path / "cloud.toml")

    assert (config.cloud_id, config.demo_line, config.data_dir, config.stores) == (
        "cloud",
        True,
        tmp_path / "data",
        ("hk01", "hk02"),
    )
    assert {holder.name: holder.scope for holder in config.holders.values()} == {
        "hk01": "store",
        "hk02": "store",
        "office": "office",
    }
    assert config.holders[token_hash("from-a-file-0123456789")].name == "hk02"
    (pull,) = config.pulls
    assert (pull.store, pull.url, pull.every_s) == ("hk02", "http://127.0.0.1:8080", 5.0)
    assert not [secret for secret in (TOKEN, OTHER, "what-the-hub") if secret in repr(config)]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"stores": {"hk01": {"token": TOKEN, "mode": "scheduled", "every_s": 0.5}}}, "every_s 0.5"),
        ({"stores": {"hk01": {"token": TOKEN, "mode": "sometimes"}}}, "sometimes"),
        ({"clod": {}}, "did you mean 'cloud'"),
        ({"cloud": {"prt": 1}}, "unknown key 'cloud.prt'.*did you mean 'port'"),
        ({"stores": {"hk01": {"tokn": TOKEN}}}, "unknown key 'stores.hk01.tokn'.*'token'"),
        ({"tokens": [{"name": "o", "token": TOKEN, "scop": "office"}]}, r"unknown key 'tokens\[0\].scop'.*'scope'"),
        ({"tokens": [{"name": "o", "token": TOKEN, "scope": "till"}]}, "till"),
        ({"cloud": {"host": "0.0.0.0"}}, "loopback only"),
        ({"cloud": {"port": 99999}}, "65535"),
        ({"stores": {"HK 01": {"token": TOKEN}}}, "regex"),
        ({"stores": {"hk01": {"token": TOKEN, "token_file": "x"}}}, "either token or token_file"),
        ({"stores": {"hk01": {"token": "short"}}}, "at least 16"),
        ({"stores": {"hk01": {"token_file": "missing"}}}, "missing"),
        ({"stores": {"hk01": {"token": TOKEN}, "hk02": {"token": TOKEN}}}, "hk02 and hk01 have the same token"),
        ({"stores": {"cloud": {"token": TOKEN}}}, "is a store's as well"),
        ({"stores": {"hk01": {"token": TOKEN, "mode": "pull"}}}, "needs url"),
        ({"stores": {"hk01": {"token": TOKEN, "mode": "pull", "url": "http://h"}}}, "hub_token"),
        ({"stores": "hk01"}, "object"),
        ({"handing": {"allow": ["10.0.0.1/8"]}}, "handing.allow.*write networks"),
        ({"exports": {"dir": "e", "zone": "Mars/Olympus"}}, "is no time zone"),
        ({"exports": {"dri": "e"}}, "unknown key 'exports.dri'.*'dir'"),
        ({"exports": {}}, "dir"),
    ],
)
def test_what_is_wrong_is_named(raw: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_cloud_config(raw, base=tmp_path)


@pytest.mark.parametrize("text", ["[cloud", "\xff"])
def test_a_file_that_cannot_be_read_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "cloud.toml").write_text(text, encoding="latin-1")

    with pytest.raises(ConfigError, match=r"cloud\.toml: not valid TOML"):
        load_cloud_config(tmp_path / "cloud.toml")
    with pytest.raises(ConfigError, match="--config"):
        load_cloud_config(tmp_path / "missing.toml")


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({}, None),
        ({"mode": "realtime"}, Schedule("realtime")),
        ({"mode": "realtime", "every_s": 60}, Schedule("realtime")),
        ({"mode": "scheduled"}, Schedule("scheduled", 900.0)),
        ({"mode": "scheduled", "every_s": 300}, Schedule("scheduled", 300.0)),
    ],
)
def test_a_store_that_dials_is_told_when(section: dict[str, Any], told: Schedule | None, tmp_path: Path) -> None:
    config = parse_cloud_config({"stores": {"hk01": {"token": TOKEN} | section}}, base=tmp_path)

    assert config.schedules.get("hk01") == told and config.pulls == ()


@pytest.mark.parametrize(
    ("section", "word"),
    [
        ({"members": {"region": "ZZ"}}, "members.region 'ZZ'"),
        ({"members": {"join": ["telephone"]}}, "kinds: phone, card, email, line_id"),
        ({"members": {"identities": {"phone": {"pattern": "x"}}}}, "is there already"),
        ({"members": {"identities": {"staff": {"pattern": "("}}}}, "members.identities.staff.pattern"),
        (
            {"stores": {"hk01": {"token": "hk01-token-0123456789", "zone": "Asia/Hongkong"}}},
            "stores.hk01: no time zone",
        ),
        ({"senders": {"line": {"kind": "line"}}}, "needs token_file"),
        ({"senders": {"sms": {"kind": "webhook"}}}, "needs url"),
        ({"senders": {"sms": {"kind": "webhook", "url": "http://sms.example.net/"}}}, "write https://"),
        ({"senders": {"sms": {"kind": "webhook", "url": "https://a.example/", "body": "{to}"}}}, "body has no {text}"),
        ({"senders": {"line": {"kind": "line", "token": "t", "quiet": ["21"]}}}, "write two times"),
        ({"senders": {"line": {"kind": "line", "token": "t", "zone": "Taipei"}}}, "no time zone 'Taipei'"),
        ({"senders": {"line": {"kind": "line", "token": "t", "token_file": "f"}}}, "either token or token_file"),
    ],
)
def test_what_is_wrong_about_people_and_senders_stops_the_start(tmp_path: Path, section: Any, word: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_cloud_config(section, base=tmp_path)
    assert word in str(refused.value)
