"""What holds for every test of the API: the hub's log has no traceback and no error, whatever a client does."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp.http_exceptions import BadHttpMessage


@pytest.fixture(autouse=True)
def quiet_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test whose hub logged an error or a traceback.

    Bytes that are no HTTP never reach the hub; aiohttp's own line about them is judged where it is written (test_noise.py).
    """
    with caplog.at_level(logging.INFO):
        yield
    loud = [r for r in caplog.get_records("call") if r.levelno >= logging.ERROR or r.exc_info]
    loud = [r for r in loud if not (r.exc_info and isinstance(r.exc_info[1], BadHttpMessage))]
    assert not loud, [(r.name, r.getMessage(), r.exc_text) for r in loud]


@pytest.fixture
async def followed(start_hub: Any) -> Any:
    """A hub without a cloud."""
    return await start_hub()


@pytest.fixture
async def follower(followed: Any, start_hub: Any, pair_till: Any) -> Any:
    """The other hub of the store, as it was paired with the first."""
    paired = await pair_till(followed, scope="standby")
    return await start_hub(standby={"follows": followed.url, "token": paired.token, "reconnect_max_s": 0.1})


@pytest.fixture
def quick_hubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two hubs of a store tell each other twenty times a second what is new."""
    monkeypatch.setattr("hub.following.members.LOOK_EVERY_S", 0.05)
    monkeypatch.setattr("hub.standby.hubs.LOOK_EVERY_S", 0.05)
    monkeypatch.setattr("hub.standby.hubs.SETTLED_S", 0.1)
