"""What the unit's list of networks lets through, and what the doctor says of it."""

import os
from pathlib import Path

import pytest

from hub.config import Config, parse_config
from hub.doctor.networks import look_at_networks, not_let_through

SHOP = ["127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/64", "10.0.0.0/8", "192.168.0.0/16", "fc00::/7"]
STORE = {"id": "hk01", "name_zh_hant": "店", "name_en": "Shop", "currency": "HKD"}
SYSTEMCTL = '#!/bin/sh\ncase "$*" in *Deny*) echo "{deny}";; *) echo "{allow}"; echo "{slice}";; esac\n'


def config(folder: Path, url: str) -> Config:
    return parse_config({"store": STORE, "cloud": {"url": url, "token": "t" * 43}}, base=folder)


@pytest.mark.parametrize(
    ("address", "is_let_through"),
    [("192.168.1.1", True), ("fd00::1", True), ("fe80::1%eth0", True), ("203.0.113.7", False), ("2001:db8::7", False)],
)
def test_what_is_in_no_network_of_the_list_is_not_let_through(address: str, is_let_through: bool) -> None:
    assert (not_let_through([address], SHOP) == []) is is_let_through


@pytest.mark.parametrize(
    ("of_slice", "name_server", "level", "named"),
    [
        ("", "192.168.1.1", "fault", "203.0.113.7"),
        ("203.0.113.0/24", "192.168.1.1", "well", ""),
        ("203.0.113.0/24", "198.51.100.1", "fault", "the name server 198.51.100.1"),
        ("0.0.0.0/0 ::/0", "198.51.100.1", "well", ""),
    ],
)
def test_a_cloud_that_the_unit_holds_back_is_a_fault_with_the_file_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, of_slice: str, name_server: str, level: str, named: str
) -> None:
    """systemctl's place is taken by a program that answers as it does: there is no systemd in a test."""
    (tmp_path / "systemctl").write_text(SYSTEMCTL.format(deny="0.0.0.0/0 ::/0", allow=" ".join(SHOP), slice=of_slice))
    (tmp_path / "systemctl").chmod(0o755)
    (tmp_path / "resolv.conf").write_text(f"search shop.lan\nnameserver {name_server}\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    (found,) = look_at_networks(config(tmp_path, "https://203.0.113.7"), names=tmp_path / "resolv.conf")

    assert found.level == level and named in found.said
    assert (level == "well") or "storehub.slice.d" in found.remedy


def test_a_machine_without_the_unit_holds_nothing_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(look_at_networks(config(tmp_path, "https://203.0.113.7"))) == []
