"""A movement's hash is that of what the client said: equal for the same words, another for any other."""

from typing import Any

import pytest
from msgspec.structs import replace

from sync.retail.stock.movements import Movement, content_hash

RECEIVED = Movement(movement_id="m1", sku="TEA-01", qty=5, reason="receive", note="box 3")


@pytest.mark.parametrize(
    "change", [{"movement_id": "m2"}, {"sku": "TEA-02"}, {"qty": -5}, {"reason": "adjust"}, {"note": ""}], ids=str
)
def test_any_changed_field_is_another_content(change: dict[str, Any]) -> None:
    assert content_hash(replace(RECEIVED, **change)) != content_hash(RECEIVED) == content_hash(replace(RECEIVED))


def test_the_hash_has_sixteen_bytes() -> None:
    assert len(content_hash(RECEIVED)) == 16
