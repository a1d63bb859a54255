"""A blank Debian 12 becomes a hub that sells, by the playbook and without a network; a broken version goes back.

A machine of its own, which nothing was put on before. The versions are the project and a copy that ends when it starts.
"""

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.client import HubClient, new_id
from hub.machine_client import MachineClient
from tests.appliance.guest_hub import DATA, SLOWLY
from tests.appliance.machine import PROJECT, Machine, booted

pytestmark = pytest.mark.asyncio(loop_scope="session")
PLAY_TIMEOUT_S = 3000  # emulated: seconds a task, minutes for the packages
PORT = 8443
BROKEN = "0.9.0"
PARTS = ("hub", "devices", "sync", "systemd", "ansible", "pyproject.toml", "README.md", "LICENSE")
FORCED = (
    "-estore_hub_upgrade_anytime=true",
    "-estore_hub_upgrade_without_backup=true",
    "-estore_hub_upgrade_watch_s=5",
)
DROP_IN = "/etc/systemd/system/storehub.service.d/test.conf"
COUNT = f"""
import sqlite3
print(sqlite3.connect("file:{DATA}/hub.db?mode=ro", uri=True).execute("SELECT count(*) FROM sale").fetchone()[0])
"""
SHOP = {
    "store": {"id": "hk01", "name_zh_hant": "示範店", "name_en": "Demo", "currency": "HKD", "zone": "Asia/Hong_Kong"},
    "api": {"host": "0.0.0.0", "port": PORT},
    "devices": {"doors": {"kind": "mqtt_counter", "store": "hk01", "address": "127.0.0.1:1883"}},
}


@pytest.mark.timeout(2400)
async def test_a_blank_machine_sells_a_second_run_changes_nothing_and_a_broken_version_is_switched_back(
    tmp_path: Path,
) -> None:
    dist = tmp_path / "dist"
    version = await release(PROJECT, dist)
    await release(broken_copy(tmp_path / "copy"), dist)
    async with booted(tmp_path) as machine:
        await machine.run(f"install -D -m 644 /dev/stdin {DROP_IN}", given=SLOWLY.encode())
        inventory = inventory_of(machine, tmp_path, dist)
        first = await played(inventory, "provision.yml", f"-estore_hub_version={version}")
        assert failed(first) == 0, first
        await sell(machine, 1)
        second = await played(inventory, "provision.yml", f"-estore_hub_version={version}")
        assert re.search(r"changed=0 .*failed=0", second), second
        broken = await played(inventory, "upgrade.yml", f"-estore_hub_version={BROKEN}", *FORCED)
        assert re.search(rf"{BROKEN} was not well and {re.escape(version)} runs again", broken), broken
        assert "this version is broken" in broken, "with the reason"
        assert f"releases/{version}\n" == await machine.run("readlink /opt/store-hub/current")
        assert await sales(machine) == 1, "the books are as they were"
        await sell(machine, 2)
        assert await sales(machine) == 2


async def release(project: Path, into: Path) -> str:
    """Build what a gateway is installed from and return its version."""
    environment = os.environ | {"PYTHON": sys.executable}
    process = await asyncio.create_subprocess_exec(
        *(str(project / "ansible/build-release"), str(into), "x86_64"), env=environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    found = re.search(r"store-hub-(.+)-x86_64\.tar", out.decode())
    assert process.returncode == 0 and found, out
    return found[1]


def broken_copy(folder: Path) -> Path:
    """A version that reads its configuration, and ends when it is started."""
    folder.mkdir()
    for part in PARTS:
        source = PROJECT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__", "dist"))
        else:
            shutil.copy(source, folder / part)
    project, app = folder / "pyproject.toml", folder / "hub/app.py"
    project.write_text(re.sub(r'^version = ".*"', f'version = "{BROKEN}"', project.read_text(), count=1, flags=re.M))
    app.write_text(
        app.read_text() + '\n\ndef run(*_: object) -> None:\n    raise SystemExit("this version is broken")\n'
    )
    return folder


def inventory_of(machine: Machine, folder: Path, dist: Path) -> Path:
    """Write the inventory of one shop."""
    port, key = machine.address
    host = {
        "ansible_host": "127.0.0.1",
        "ansible_port": port,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(key),
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
        "store_hub_release_folder": str(dist),
        "store_hub_config": SHOP,
        "store_hub_clock_off_s": 100_000_000,  # the guest's clock is whatever qemu's is
    }
    file = folder / "inventory.json"
    file.write_text(json.dumps({"store_hubs": {"children": {"store_hub_canary": {"hosts": {"hk01": host}}}}}))
    return file


async def played(inventory: Path, playbook: str, *options: str) -> str:
    """Run a playbook and return what it said."""
    ansible = PROJECT / "ansible"
    environment = os.environ | {
        "ANSIBLE_CONFIG": str(ansible / "ansible.cfg"),
        "ANSIBLE_HOME": str(inventory.parent / "ansible"),
        "LC_ALL": "C.UTF-8",
    }
    process = await asyncio.create_subprocess_exec(
        *(
            str(Path(sys.executable).parent / "ansible-playbook"),
            "-i",
            str(inventory),
            str(ansible / playbook),
            *options,
        ),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PLAY_TIMEOUT_S):
        out, _ = await process.communicate()
    return out.decode()


def failed(recap: str) -> int:
    """Return how many tasks failed, or could not be tried."""
    found = re.findall(r"(?:failed|unreachable)=(\d+)", recap)
    return sum(map(int, found)) if found else -1


async def sell(machine: Machine, amount: int) -> None:
    """Pair a till and record a sale, durable when this returns."""
    url = f"http://127.0.0.1:{await machine.forward(PORT)}"
    socket = f"http://127.0.0.1:{await machine.forward(f'{DATA}/hub.sock')}"
    async with MachineClient(socket) as control, HubClient(url) as till:
        paired = await till.pair(await control.make_code("till"), f"Counter {amount}")
    line = {"line": 1, "sku": "BAG", "qty": 1, "unit_price": amount, "open_item": True}
    sale: dict[str, Any] = {
        "sale_id": new_id(),
        "till_id": paired.till_id,
        "currency": "HKD",
        "lines": [line],
        "total": amount,
    }
    sale["tenders"] = [{"type": "cash", "amount": amount}]
    headers = {"Authorization": f"Bearer {paired.token}"}
    async with aiohttp.ClientSession(url, headers=headers) as session, session.post("/v1/sales", json=sale) as response:
        assert response.status == 201, await response.text()


async def sales(machine: Machine) -> int:
    """Count them in the file."""
    return int(await machine.run("runuser -u storehub -- python3 -", given=COUNT.encode()))
