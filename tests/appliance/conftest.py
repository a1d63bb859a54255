"""One machine for all tests of this folder. Only in ./test --full: it takes minutes, root, and qemu."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.appliance.machine import Machine, booted

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the appliance out of a short run; in a full one it comes first: who takes tests from a process takes its last ones,
    so that all of the appliance stays in one process, with one machine."""
    if os.environ.get("STOREHUB_FULL"):
        items.sort(key=lambda item: HERE not in item.path.parents)
        return
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip("the appliance boots in ./test --full only"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def machine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Machine]:
    """The machine: booted once, and each test leaves it as it was."""
    async with booted(tmp_path_factory.mktemp("machine")) as machine:
        await machine.copy("tests/appliance/guest", to="/opt/appliance-copy")
        await machine.run("mkdir -p /opt/appliance && cp -r /opt/appliance-copy/tests/appliance/guest /opt/appliance/")
        yield machine
