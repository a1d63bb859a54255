"""The locks: what pyproject.toml asks for, each file by its digest, from no particular mirror."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.ansible.conftest import ANSIBLE, PROJECT

LOCKS = sorted((ANSIBLE / "locks").iterdir())


def locked(path: Path) -> dict[str, tuple[str, int]]:
    """Return name -> version and the number of digests."""
    blocks = re.split(r"\n(?=[a-z])", path.read_text().replace("\\\n", " "))
    pins = (re.match(r"([a-z0-9.-]+)==(\S+)((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*$", block) for block in blocks[1:])
    return {pin[1]: (pin[2], pin[3].count("sha256")) for pin in pins if pin}


def asked() -> list[Requirement]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(each) for each in (*project["dependencies"], *project["optional-dependencies"]["ble"])]


def test_the_lock_has_a_version_that_is_asked_for_of_everything_that_is() -> None:
    versions = locked(ANSIBLE / "locks/hub.txt")
    missing = [str(need) for need in asked() if canonicalize_name(need.name) not in versions]
    other = [str(need) for need in asked() if versions[canonicalize_name(need.name)][0] not in need.specifier]
    assert (missing, other) == ([], []), "run ansible/lock"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_line_of_a_lock_is_a_version_with_digests_and_names_no_place(lock: Path) -> None:
    text = lock.read_text()
    pins = locked(lock)
    assert len(pins) == text.count("==") and all(count for _, count in pins.values())
    assert not re.search(r"https?:|file:|--(extra-)?index-url|--find-links|/tmp", text)
