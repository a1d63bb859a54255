"""The units as shipped: systemd understands every word of them, and what they leave a hub that was taken over is little."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from devices.plug.suggestion import SCANNER_VENDORS
from hub.cli import EXIT_CONFIG
from hub.service.life import EXTEND_EVERY_S, EXTEND_S

UNITS = Path(__file__).parents[2] / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
EXPOSURE_MAX = 1.5
INSTALLED = Path("etc/systemd/system")

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with systemd's own units, ours, and the programs that they name."""
    root = tmp_path_factory.mktemp("machine")
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    shutil.copytree(UNITS, root / INSTALLED)
    for program in ("opt/store-hub/bin/storehub", "usr/bin/systemctl", "bin/sh"):
        (root / program).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/true", root / program)
    return root


def verified(root: Path) -> str:
    """Return what systemd says of all our units: its exit code is 0 for a word that it does not know."""
    names = [path.name for path in (root / INSTALLED).iterdir() if path.suffix in (".service", ".timer", ".slice")]
    command = ["systemd-analyze", "verify", "--man=no", f"--root={root}", *names]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def exposure(root: Path, unit: str) -> float:
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", f"--root={root}", unit]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"LC_ALL": "C.UTF-8"})
    (said,) = re.findall(r"Overall exposure level for .*: ([0-9.]+)", ran.stdout)
    return float(said)


def settings(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (UNITS / unit).read_text().splitlines():
        key, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@needs_systemd
def test_systemd_has_nothing_to_say_of_the_units(machine: Path) -> None:
    assert verified(machine) == ""


@needs_systemd
@pytest.mark.parametrize(
    "wrong", ["ProtectSytem=strict", "WatchdogSec=soon", "DeviceAllow=tty rw", "OnFailure=none.such"]
)
def test_a_word_that_systemd_does_not_know_is_said(machine: Path, tmp_path: Path, wrong: str) -> None:
    root = tmp_path / "root"
    shutil.copytree(machine, root, symlinks=True)
    drop_in = root / INSTALLED / "storehub.service.d/wrong.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(f"[{'Unit' if 'OnFailure' in wrong else 'Service'}]\n{wrong}\n")

    assert "storehub.service" in verified(root)


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES)
def test_a_hub_that_was_taken_over_can_do_little(machine: Path, unit: str) -> None:
    assert exposure(machine, unit) <= EXPOSURE_MAX


@needs_systemd
def test_a_unit_without_its_walls_is_above_the_limit(machine: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(machine, root, symlinks=True)
    bare = root / INSTALLED / "storehub.service"
    bare.write_text(bare.read_text().replace("CapabilityBoundingSet=\n", "").replace("NoNewPrivileges=yes\n", ""))

    assert exposure(root, "storehub.service") > EXPOSURE_MAX


def test_nothing_that_sells_waits_for_a_network() -> None:
    said = settings("storehub.service")
    waited = " ".join(said["After"] + said.get("Wants", []) + said.get("Requires", []))
    assert "online" not in waited and "time-sync" not in waited


def test_the_hub_asks_for_more_time_before_systemd_has_lost_patience() -> None:
    assert EXTEND_EVERY_S < float(settings("storehub.service")["TimeoutStartSec"][0]) < EXTEND_S


def test_a_wrong_configuration_is_not_tried_again() -> None:
    for unit in ("storehub.service", "storecloud.service"):
        assert settings(unit)["RestartPreventExitStatus"] == [str(EXIT_CONFIG)]
    assert f"!= {EXIT_CONFIG}" in settings("storehub-again.service")["ExecCondition"][1]


def test_what_fails_is_looked_at_and_tried_again() -> None:
    assert settings("storehub.service")["OnFailure"] == ["storehub-doctor.service storehub-again.timer"]
    assert settings("storehub-backup.service")["OnFailure"] == ["storehub-doctor.service"]


def test_scanners_that_probe_knows_by_their_maker_are_the_hubs() -> None:
    rules = (UNITS / "70-storehub.rules").read_text()
    (makers,) = re.findall(r'ENV\{ID_INPUT_KEY\}=="1", ENV\{ID_VENDOR_ID\}=="([0-9a-f|]+)"', rules)
    assert makers.split("|") == sorted(SCANNER_VENDORS)
