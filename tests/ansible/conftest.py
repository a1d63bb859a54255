"""The role's templates as Ansible itself renders them, for the shop of the example inventory; and where things are."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
ANSIBLE = PROJECT / "ansible"
ROLE = ANSIBLE / "roles/store_hub"
PLAY = """
- hosts: localhost
  gather_facts: false
  vars_files: [ROLE/defaults/main.yml, ROLE/vars/main.yml, FOLDER/shop.yml]
  vars:
    ansible_managed: Written by Ansible
    store_hub_broker_password: {content: "{{ 'pass word\\"' | b64encode }}"}
  tasks:
    - ansible.builtin.copy:
        content: "{{ lookup('ansible.builtin.template', *TEMPLATES, wantlist=true) | to_json }}"
        dest: FOLDER/all.json
"""


def run(*command: str, folder: Path = PROJECT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder to its end; Ansible's own files go to a folder of the test's."""
    return subprocess.run(
        command, env=os.environ | environment, cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="session")
def ansible_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What keeps Ansible to the project's configuration and out of the user's home."""
    home = str(tmp_path_factory.mktemp("ansible-home"))
    return {
        "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
        "ANSIBLE_FILTER_PLUGINS": str(ROLE / "filter_plugins"),
        "ANSIBLE_HOME": home,
        "ANSIBLE_LOCAL_TEMP": home,
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "LC_ALL": "C.UTF-8",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


@pytest.fixture(scope="session")
def shop() -> dict[str, Any]:
    """The variables of the first shop of the example inventory, with its group's."""
    inventory = yaml.safe_load((ANSIBLE / "inventory.example.yml").read_text(encoding="utf-8"))["store_hubs"]
    [own] = inventory["children"]["store_hub_canary"]["hosts"].values()
    found: dict[str, Any] = inventory["vars"] | own
    return found


@pytest.fixture(scope="session")
def rendered(
    shop: dict[str, Any], ansible_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder with every template of the role, rendered."""
    folder = tmp_path_factory.mktemp("rendered")
    names = [path.name.removesuffix(".j2") for path in sorted((ROLE / "templates").iterdir())]
    more = {
        "store_hub_broker_readers": ["homeassistant"],
        "store_hub_time_servers": ["time.example.net"],
        "store_hub_firewall_accept": [{"port": 9100, "sources": ["10.1.0.0/16", "fd00::/8"]}],
    }
    own = {key: each for key, each in shop.items() if key.startswith("store_hub_")}
    (folder / "shop.yml").write_text(yaml.safe_dump(own | more, allow_unicode=True), encoding="utf-8")
    templates = [f"{ROLE}/templates/{name}.j2" for name in names]
    play = PLAY.replace("ROLE", str(ROLE)).replace("FOLDER", str(folder)).replace("TEMPLATES", str(templates))
    (folder / "play.yml").write_text(play, encoding="utf-8")
    done = run(
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-c",
        "local",
        str(folder / "play.yml"),
        **ansible_environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name, text in zip(names, json.loads((folder / "all.json").read_text(encoding="utf-8")), strict=True):
        (folder / name).write_text(text, encoding="utf-8")
    return folder
