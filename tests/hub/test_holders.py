"""How far others hold this hub's streams: what was said last counts, also when it is said before the former word is durable."""

from typing import Any

import pytest

from hub.holders import PEER, STANDBY, Holders
from sync.batch import Boundary


def at(last: int) -> Boundary:
    return Boundary(last, last.to_bytes(8, "big"))


@pytest.mark.parametrize("peer", [PEER, STANDBY])
async def test_the_last_word_counts_whatever_is_under_way(store: Any, peer: str) -> None:
    """A peer that was restored says less in its hello, and the same as before a moment later."""
    heard: list[tuple[str, str, int]] = []
    holders = Holders(store.db, store.replica, on_held=lambda *said: heard.append(said))
    commit = lambda: store.db.write(lambda tx: tx.execute("UPDATE replica SET own = own WHERE own = 1"))  # noqa: E731
    holders.note(peer, "sales", at(35))
    await commit()
    for said in (30, 35, 35):
        holders.note(peer, "sales", at(said))
    await commit()

    assert heard == [(peer, "sales", 35), (peer, "sales", 30), (peer, "sales", 35)]
    assert holders.of(peer)["sales"] == 35
    assert Holders(store.db, store.replica, on_held=lambda *_: None).of(peer)["sales"] == 35


async def test_what_a_former_life_was_told_is_not_taken_for_the_new_ones(store: Any) -> None:
    holders = Holders(store.db, store.replica, on_held=lambda *_: None)
    holders.note(PEER, "sales", at(5))
    holders.become(type(store.replica)(99, store.replica.store, "0123456789abcdef"))
    await store.db.write(lambda tx: tx.execute("UPDATE replica SET own = own WHERE own = 1"))
    assert holders.cloud == {}
