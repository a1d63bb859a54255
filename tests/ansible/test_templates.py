"""What the role writes on a gateway, read by those who read it there: the hub, nft, mosquitto, systemd."""

import shutil
import tomllib
from pathlib import Path

import pytest

from hub.config import load_config
from tests.ansible.conftest import ROLE, run

needs_nft = pytest.mark.skipif(shutil.which("nft") is None, reason="nftables is not installed")


def test_the_configuration_is_what_the_inventory_says_and_the_hub_takes_it(
    rendered: Path, shop: dict[str, dict]
) -> None:
    written = tomllib.loads((rendered / "hub.toml").read_text(encoding="utf-8"))
    device = {"username": "hub", "password": 'pass word"'}
    given = dict(shop["store_hub_config"])
    assert written.pop("data") == {"dir": "/var/lib/store-hub"}
    assert written.pop("devices") == {"doors": given.pop("devices")["doors"] | device}
    assert written == given
    config = load_config(rendered / "hub.toml")
    assert config.shop.name.zh_hant == "銅鑼灣店" and config.devices[0].options.password == 'pass word"'


@needs_nft
def test_the_firewall_lets_in_what_is_named_and_nothing_else(rendered: Path) -> None:
    """In a network of its own: loaded, and asked again what it holds."""
    load = run("unshare", "-n", "sh", "-c", f"nft -f {rendered}/nftables.conf && nft list ruleset")
    if "Operation not permitted" in load.stderr:
        pytest.skip("no right to a network of its own")
    assert load.returncode == 0, load.stderr
    rules = [line.strip() for line in load.stdout.splitlines()]
    assert sum("policy drop" in rule for rule in rules) == 2
    accepted = [rule for rule in rules if rule.endswith("accept") and "dport" in rule]
    assert accepted == [
        "ip6 saddr fe80::/10 udp dport 546 accept",
        "ip saddr 192.168.0.0/16 tcp dport 22 accept",
        "ip saddr 192.168.0.0/16 tcp dport 8443 accept",
        "ip saddr 192.168.0.0/16 udp dport 5353 accept",
        "ip saddr 192.168.0.0/16 tcp dport 8883 accept",
        "ip saddr 10.1.0.0/16 tcp dport 9100 accept",
        "ip6 saddr fd00::/8 tcp dport 9100 accept",
    ]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_every_unit(rendered: Path) -> None:
    units = [str(path) for path in rendered.iterdir() if path.suffix in (".service", ".timer", ".path", ".mount")]
    done = run("systemd-analyze", "verify", "--man=no", *units)
    ours = [line for line in done.stderr.splitlines() if "not executable" not in line and str(rendered) in line]
    assert not ours


def test_every_unit_of_a_release_has_a_place_and_a_second_time_nothing_is_new(tmp_path: Path) -> None:
    release, root = tmp_path / "systemd", tmp_path / "root"
    (release / "hub.service.d").mkdir(parents=True)
    for name in ("hub.service", "hub.timer", "hub.sysusers", "hub.tmpfiles", "70-hub.rules", "hub.service.d/more.conf"):
        (release / name).write_text(f"# {name}\n")
    placed = run(str(ROLE / "files/place-units"), str(release), str(root))
    assert sorted(placed.stdout.split()) == [
        "/etc/systemd/system/hub.service",
        "/etc/systemd/system/hub.service.d/more.conf",
        "/etc/systemd/system/hub.timer",
        "/etc/sysusers.d/hub.conf",
        "/etc/tmpfiles.d/hub.conf",
        "/etc/udev/rules.d/70-hub.rules",
    ]
    assert (root / "etc/sysusers.d/hub.conf").read_text() == "# hub.sysusers\n"
    assert run(str(ROLE / "files/place-units"), str(release), str(root)).stdout == ""
    (release / "hub.timer").unlink()
    older = run(str(ROLE / "files/place-units"), str(release), str(root))
    assert older.stdout == "/etc/systemd/system/hub.timer is gone\n"
    assert not (root / "etc/systemd/system/hub.timer").exists() and (root / "etc/systemd/system/hub.service").exists()
    (release / "hub.odd").touch()
    refused = run(str(ROLE / "files/place-units"), str(release), str(root))
    assert refused.returncode == 1 and "nobody knows where hub.odd belongs" in refused.stderr


def test_what_the_project_ships_for_systemd_all_has_a_place(tmp_path: Path) -> None:
    done = run(str(ROLE / "files/place-units"), str(ROLE.parents[2] / "systemd"), str(tmp_path))
    assert done.returncode == 0 and "/etc/systemd/system/storehub.service" in done.stdout
