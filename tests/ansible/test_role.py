"""The role and its playbooks as Ansible reads them: every variable is declared, explained and used."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ansible.conftest import ANSIBLE, ROLE, run

PLAYBOOKS = sorted(path for path in ANSIBLE.glob("*.yml") if "inventory" not in path.name)
only_in_full = pytest.mark.skipif(not os.environ.get("STOREHUB_FULL"), reason="it takes half a minute: ./test --full")
NAME = re.compile(r"\bstore_hub_[a-z_]+\b")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def options(entry: str = "upgrade") -> dict[str, Any]:
    specs: dict[str, Any] = read(ROLE / "meta/argument_specs.yml")["argument_specs"][entry]["options"]
    return specs


def sources() -> list[Path]:
    return [path for path in ROLE.rglob("*") if path.suffix in (".yml", ".j2")]


def test_every_default_is_declared_with_the_same_value_and_explained() -> None:
    defaults, declared = read(ROLE / "defaults/main.yml"), options()
    assert {name: spec["default"] for name, spec in declared.items() if "default" in spec} == defaults
    assert not [name for name, spec in declared.items() if not spec["description"] or not spec["type"]]
    assert not [name for name, spec in declared.items() if not spec.get("required") and name not in defaults]


def test_what_provisioning_takes_upgrading_takes_as_well() -> None:
    extra = set(options()) - set(options("main"))
    assert all(name.startswith("store_hub_upgrade_") for name in extra)
    assert options() == options("main") | {name: options()[name] for name in extra}


def test_every_variable_that_is_declared_is_used_and_every_other_is_made_by_the_role() -> None:
    texts = {
        path: path.read_text(encoding="utf-8") for path in sources() if path.parent.name not in ("defaults", "meta")
    }
    used = {name for text in texts.values() for name in NAME.findall(text)}
    made = set(read(ROLE / "vars/main.yml"))
    for text in texts.values():
        made |= set(re.findall(r"(?:register|^ +): *(store_hub_\w+)", text)) | set(
            re.findall(r"^ +(store_hub_\w+):", text, re.M)
        )
    known = set(options()) | made
    assert not set(options()) - used
    assert not {name for name in used - known if not any(each.startswith(name) for each in known)}


def test_every_playbook_is_one_for_ansible(ansible_environment: dict[str, str]) -> None:
    program = str(Path(sys.executable).parent / "ansible-playbook")
    inventory = str(ANSIBLE / "inventory.example.yml")
    done = run(program, "--syntax-check", "-i", inventory, *map(str, PLAYBOOKS), **ansible_environment)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in PLAYBOOKS if f"playbook: {path}" not in done.stdout] == []
    assert "DEPRECATION" not in done.stderr


def test_the_first_line_of_every_playbook_says_what_it_is_for() -> None:
    assert not [
        path.name for path in PLAYBOOKS if not path.read_text(encoding="utf-8").splitlines()[1].startswith("# ")
    ]


@only_in_full
def test_a_canary_that_cannot_be_upgraded_keeps_the_others_from_it(
    ansible_environment: dict[str, str], tmp_path: Path
) -> None:
    """This machine as both, which has no hub: the first is refused, the second is never asked."""
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "store_hub_version": "9.9.9"}
    here |= {"store_hub_config": {"store": {"id": "hk01"}}}
    groups = {"children": {"store_hub_canary": {"hosts": {"first": here}}}, "hosts": {"second": here}}
    (tmp_path / "inventory.json").write_text(json.dumps({"store_hubs": groups}))
    done = run(
        *("ansible-playbook", "-i", str(tmp_path / "inventory.json"), str(ANSIBLE / "upgrade.yml")),
        **ansible_environment,
    )
    assert done.returncode != 0
    assert "[first]: FAILED!" in done.stdout + done.stderr and "second" not in done.stdout + done.stderr


@only_in_full
def test_ansible_lint_finds_nothing_for_production(ansible_environment: dict[str, str], tmp_path: Path) -> None:
    if not (Path(sys.executable).parent / "ansible-lint").exists():
        pytest.skip("ansible-lint is not installed")
    done = run(
        *("ansible-lint", "--offline", "--strict", "--profile", "production", "--project-dir", "."),
        *(path.name for path in PLAYBOOKS),
        "roles",
        folder=ANSIBLE,
        **(ansible_environment | {"XDG_CACHE_HOME": str(tmp_path)}),
    )
    assert done.returncode == 0, done.stdout + done.stderr
