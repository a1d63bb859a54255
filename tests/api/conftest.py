"""What holds for every test of the API: the hub's log has no traceback and no error, whatever a client does."""

import logging
from collections.abc import Iterator

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
