"""Claims: one till a device, freed by its till, or the grace time after that till stopped listening."""

import asyncio

import pytest

from hub.claims import Claims
from hub.errors import ConflictError

GRACE_S = 0.1
WAIT_S = 60.0


async def past(delay_s: float) -> None:
    """Return when the loop's clock is `delay_s` later, after whatever was due before."""
    due = asyncio.Event()
    asyncio.get_running_loop().call_later(delay_s, due.set)
    async with asyncio.timeout(WAIT_S):
        await due.wait()


async def test_the_first_till_holds_and_the_second_is_told_who() -> None:
    claims = Claims(lambda _: True)
    claims.claim("s1", "t1")
    claims.claim("s1", "t1")

    with pytest.raises(ConflictError) as conflict:
        claims.claim("s1", "t2")

    assert (conflict.value.code, conflict.value.holder, claims.holder("s1")) == ("claimed", "t1", "t1")


async def test_only_the_holder_releases() -> None:
    claims = Claims(lambda _: True)
    claims.claim("s1", "t1")

    claims.release("s1", "t2")
    assert claims.holder("s1") == "t1"
    claims.release("s1", "t1")

    assert claims.holder("s1") is None
    claims.claim("s1", "t2")


async def test_a_till_that_left_loses_all_its_devices_after_the_grace() -> None:
    listening = {"t1", "t2"}
    claims = Claims(listening.__contains__, grace_s=GRACE_S)
    for device, till in (("s1", "t1"), ("s2", "t1"), ("s3", "t2")):
        claims.claim(device, till)

    listening.discard("t1")
    claims.till_left("t1")
    assert claims.holder("s1") == "t1"
    await past(GRACE_S)

    assert [claims.holder(device) for device in ("s1", "s2", "s3")] == [None, None, "t2"]


async def test_a_till_that_is_back_within_the_grace_keeps_its_devices() -> None:
    listening: set[str] = set()
    claims = Claims(listening.__contains__, grace_s=GRACE_S)
    claims.claim("s1", "t1")

    claims.till_left("t1")
    listening.add("t1")
    await past(GRACE_S)

    assert claims.holder("s1") == "t1"


async def test_the_grace_counts_from_the_last_time_the_till_left() -> None:
    """Away, back, away again just before the first grace ends: the first grace must not free what the second protects."""
    listening = {"t1"}
    claims = Claims(listening.__contains__, grace_s=GRACE_S)
    claims.claim("s1", "t1")
    listening.discard("t1")
    claims.till_left("t1")
    await past(GRACE_S * 0.6)
    claims.till_left("t1")

    await past(GRACE_S * 0.6)
    assert claims.holder("s1") == "t1"
    await past(GRACE_S)

    assert claims.holder("s1") is None


async def test_a_till_without_an_event_socket_keeps_a_claim_for_the_grace_only() -> None:
    claims = Claims(lambda _: False, grace_s=GRACE_S)
    claims.claim("s1", "t1")
    assert claims.holder("s1") == "t1"

    await past(GRACE_S)

    assert claims.holder("s1") is None
