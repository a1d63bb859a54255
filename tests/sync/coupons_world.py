"""A coupon on tea, a basket, a shop in Hong Kong, redemptions."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import Phase, settings
from msgspec.structs import replace

from sync.retail.people.coupons import (
    CouponDefinition,
    RedemptionFact,
)

QUIET = settings(max_examples=5000, phases=[Phase.generate], database=None)
HK = ZoneInfo("Asia/Hong_Kong")
TEA = CouponDefinition(
    coupon_id="tea10",
    currency="HKD",
    valid_from=date(2026, 9, 1),
    valid_until=date(2026, 9, 30),
    spend_min=5000,
    amount_max=1000,
)
REPS = ("hk01:a", "hk02:b", "hk03:c", "cloud:z")


def redemption(n: int, rep: str, amount: int = 10, **more: Any) -> RedemptionFact:
    fact = RedemptionFact(
        redemption_id=f"r{n}",
        serial="s",
        coupon_id="tea10",
        sale_id=f"sale{n}",
        store=rep.split(":", maxsplit=1)[0],
        rep=rep,
        amount=amount,
        currency="HKD",
        business_date="2026-09-21",
    )
    return replace(fact, **more)
