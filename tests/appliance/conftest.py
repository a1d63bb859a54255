"""One machine for all tests of this folder. Only in ./test --full: it takes minutes, root, and qemu."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.appliance.machine import Machine, booted


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the appliance out of a short run."""
    if not os.environ.get("STOREHUB_FULL"):
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip("the appliance boots in ./test --full only"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def machine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Machine]:
    """A machine that was booted for this module."""
    async with booted(tmp_path_factory.mktemp("machine")) as machine:
        await machine.copy("tests/appliance/guest", to="/opt/appliance-copy")
        await machine.run("mkdir -p /opt/appliance && cp -r /opt/appliance-copy/tests/appliance/guest /opt/appliance/")
        yield machine
