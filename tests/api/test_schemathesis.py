"""Schemathesis against a hub that runs: every check, the whole document, a fixed seed.

Each operation succeeds at least once (walk.py), which also leaves the ids behind that the fuzzer puts into paths. A request that
fits the document may be refused for what the document cannot say: 403, 404, 409, 422, 429; never 400, 5xx, or what the document
does not name. This hub has no line to a cloud: a sale of the chain's other stores cannot be looked up, which is a 503 of the
document's. `delete_till` is walked only: the fuzzer found the ids of its own tokens in GET /v1/tills and took them away.
U+0000 is not made: within a field that nobody declared the document cannot forbid it. Afterwards the books are audited.
"""

import asyncio
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from devices.testing.printer import SimulatedPrinter
from hub.store.upkeep.audit import audit
from tests.api.attached import attached
from tests.api.walk import MEMBERS, Walk, pools, walk

SEED = 20_260_921
EXAMPLES = 4  # of each operation when fuzzing; the coverage phase adds about sixty
TIME_MAX_S = 600  # on a machine that does nothing else it is a tenth of that
CONFIG = """
seed = {seed}
continue-on-failure = true
[headers]
Authorization = "Bearer {manager}"
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 403, 404, 409, 422, 429]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 409, 413, 415, 422, 429]
[generation]
database = "none"
allow-x00 = false
[[operations]]
include-path-regex = "^/sync/v1/(hello|ack|streams)"
headers = {{ Authorization = "Bearer {cloud}" }}
[[operations]]
include-operation-id = "delete_till"
enabled = false
[[operations]]
include-path = "/v1/receipts/{{name}}"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", 503]
checks.positive_data_acceptance.expected-statuses = ["2xx", 403, 404, 409, 422, 429, 503]
[[operations]]
include-path = "/v1/devices/{{device_id}}/wire"
headers = {{ Authorization = "Bearer {door}" }}
checks.positive_data_acceptance.expected-statuses = ["2xx", 403, 404, 405, 409, 422, 429]
[[operations]]
include-path-regex = "^/sync/v1/(pin-keys|store-ca)"
headers = {{ Authorization = "Bearer {standby}" }}
"""


async def walked(hub: Any, pair_till: Any, printer: SimulatedPrinter, until: Any) -> tuple[Walk, str]:
    """Return a walk through the hub, and Schemathesis's configuration for it."""
    manager, cloud, standby = [await pair_till(hub, scope=scope) for scope in ("manager", "cloud", "standby")]
    await until(
        lambda: manager.get("/v1/devices"), lambda at: {each["health"] for each in at.json["items"]} == {"ready"}
    )
    door = await pair_till(hub, scope="device", name="door")
    went = await walk(Walk(manager), cloud=cloud, standby=standby, door=door, printer=printer, until=until)
    tokens = {each: client.token for each, client in (("manager", manager), ("cloud", cloud), ("standby", standby))}
    tokens["door"] = door.token
    return went, CONFIG.format(seed=SEED, **tokens) + "\n".join(pools(went.ids))


async def test_the_live_hub_keeps_what_its_document_says(
    start_hub: Any,
    pair_till: Any,
    *,
    printer: SimulatedPrinter,
    printer_section: Any,
    until: Any,
    contract: Any,
    tmp_path: Path,
) -> None:
    async with attached() as counter:
        devices = {"receipts": printer_section, **counter.sections, "door": {"kind": "http_counter"}}
        lan = {"host": "0.0.0.0", "port": 0}  # it has a CA, and serves this machine without TLS
        hub = await start_hub(devices=devices, receipt_printer="receipts", api=lan, members=MEMBERS)
        went, config = await walked(hub, pair_till, printer, until)
        known = {f"{method.upper()} {path}" for path, ops in contract.document["paths"].items() for method in ops}
        assert known - went.statuses.keys() == set(), "an operation that walk.py does not do"
        print(f"{len(went.statuses)} operations succeeded:", dict(Counter(went.statuses.values())))

        (tmp_path / "schemathesis.toml").write_text(config, encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            str(tmp_path / "schemathesis.toml"),
            "run",
        ]
        command += [f"{hub.url}/openapi.json", "--checks", "all", "--phases", "coverage,fuzzing,stateful"]
        command += ["-n", str(EXAMPLES), "--no-color", "--no-shrink", "--warnings", "off"]
        print("replay:", " ".join(command))
        said = await run(command, tmp_path)
        findings = audit(hub.runtime.db.read, hub.runtime.replica)

    print(said[-800:])
    assert "No issues found" in said, said[-20_000:]
    assert findings == [], "what was refused has left the books other than they were"


async def run(command: list[str], folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(TIME_MAX_S):
        said, _ = await process.communicate()
    return said.decode()
