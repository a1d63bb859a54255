"""The demo's people counters against the hub's broker: what they say is what the journal knows, and a lie is in no journal."""

import asyncio
import json
import random
from pathlib import Path

from hub.broker.embedded import embedded_broker
from hub.demo.counters import Counters
from hub.demo.credentials import Credentials
from hub.demo.journal import Journal
from hub.demo.settings import DOORS, STORE_ID
from hub.settings.file import MqttSection
from hub.store.staff.tills import Paired, secret_hash
from hub.tokens import Tokens

KNOWN = Credentials("doors", "a-token")
TOKENS = Tokens({secret_hash(KNOWN.token): Paired(KNOWN.till_id, DOORS, "device")})
NOBODY_S = 3_600.0  # between two visitors


async def test_what_a_counter_says_behind_a_lie_knows_nothing_of_it(tmp_path: Path) -> None:
    """On a busy machine it spoke before it was stopped: the journal had the visitor, so that the day looked honest."""
    file = tmp_path / "mqtt.jsonl"
    with Journal(file) as journal:
        async with embedded_broker(MqttSection(0, "hub", "hub-secret"), store_id=STORE_ID, tokens=TOKENS) as (port, _):
            counters = Counters(port, KNOWN, journal, rng=random.Random(1), pause_s=NOBODY_S)
            async with asyncio.TaskGroup() as group:
                doors = group.create_task(counters.run())
                async with asyncio.timeout(30):
                    while not file.read_bytes():  # noqa: ASYNC110 - a file has no Event
                        await asyncio.sleep(0)
                await counters.lie()
                await counters.lie()  # one that was not acknowledged is told again: the same
                await counters.close()
                doors.cancel()

    said = [json.loads(json.loads(line)["payload"])["in"] for line in file.read_text().splitlines()]
    assert len(said) >= 3 and set(said) == {0}
