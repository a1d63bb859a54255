"""What this shop has accepted without a right lately, for head office: coupons taken conditionally, points burned off line.

Goods sold beyond a right are not here: the cloud knows of them by the rights themselves.
"""

from sqlite3 import Connection

import msgspec

from hub.store.model import utc
from sync.protocol import Exposure
from sync.retail.people.coupons import RedemptionFact

EXPOSED_DAYS = 7
_DAY_MS = 86_400_000
_redemption = msgspec.json.Decoder(RedemptionFact).decode


def exposure_of(read: Connection, *, store: str, currency: str, now_ms: int) -> Exposure:
    """Return what was accepted on the trading days since EXPOSED_DAYS ago, each redemption and each burn once."""
    since = utc(now_ms - EXPOSED_DAYS * _DAY_MS).date().isoformat()
    rows = read.execute(
        "SELECT body FROM redemption WHERE business_date >= ? AND instr(body, '\"conditional\":true') > 0", (since,)
    )
    taken = [fact for (body,) in rows if (fact := _redemption(body)).conditional and fact.store == store]
    (points,) = read.execute(
        "SELECT coalesce(sum(points), 0) FROM point_burn WHERE business_date >= ?", (since,)
    ).fetchone()
    return Exposure(coupons=len(taken), amount=sum(each.amount for each in taken), currency=currency, points=points)
