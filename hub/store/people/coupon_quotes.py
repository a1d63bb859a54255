"""What coupons take off a basket that is being quoted: each in its turn, as the sale that follows is held against. Reads only.

A coupon of a sale is looked at beside all others of that sale (hub.store.people.coupons): one is taken here where it is valid and
those before it stay so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from sqlite3 import Connection

from msgspec import Struct
from msgspec.structs import replace

from hub.store.model import Shop
from hub.store.people.coupon_serials import known_serial
from hub.store.people.coupons import CouponTerms, Examined, Wish, basket_of_lines, examine, taken_off
from sync.model import Replica
from sync.retail.people.coupons import Verdict, amount_for, is_for, reaches_minimum
from sync.retail.selling.discounts import room, shared_out
from sync.retail.selling.sales import Discount, SaleLine
from sync.retail.windows import At


class QuotedCoupon(Struct, frozen=True):
    """A serial, and what it takes off. `verdict`: held, ask (the cloud, by the sale), conditional, or refused, `against` why."""

    serial: str
    amount: int
    verdict: str
    against: tuple[str, ...] = ()
    by_grace: bool = False


@dataclass(frozen=True)
class CouponDesk:
    """Where coupons are shown: the books, the moment, and who can be asked."""

    read: Connection
    own: Replica
    shop: Shop
    terms: CouponTerms
    at: At
    business_date: str
    is_line_up: bool

    def take(
        self, lines: tuple[SaleLine, ...], serials: Sequence[str], member_id: str | None
    ) -> tuple[tuple[SaleLine, ...], tuple[QuotedCoupon, ...]]:
        """Return the lines less what the coupons take off, and what became of each."""
        said: list[QuotedCoupon] = []
        for serial in serials:
            tried = self._less(lines, serial, member_id)
            taken = [each for each in said if each.amount]
            found = self._examined(tried, serial, member_id, taken)
            is_good = not found.against and not any(
                self._examined(tried, each.serial, member_id, []).against for each in taken
            )
            if is_good:
                lines = tried
            against = found.against or (() if is_good else ("spend",))
            amount = taken_off(tried, serial) if is_good else 0
            verdict = found.verdict if is_good else Verdict.REFUSED
            said.append(QuotedCoupon(serial, amount, verdict, against, found.is_by_grace))
        return lines, tuple(said)

    def floors(self, said: Sequence[QuotedCoupon]) -> Callable[[tuple[SaleLine, ...]], bool]:
        """Return what says whether lines reach the minimum of each coupon that takes something off."""
        known = [
            (each.serial, known_serial(self.read, self.own, each.serial, is_alone=self.terms.is_alone))
            for each in said
            if each.amount
        ]
        asked = [
            (serial, found.definition) for serial, found in known if found is not None and found.definition.spend_min
        ]

        def reached(lines: tuple[SaleLine, ...]) -> bool:
            baskets = (
                (basket_of_lines(self.shop.currency, lines, serial, member_id=None), each) for serial, each in asked
            )
            return all(reaches_minimum(definition, basket) for basket, definition in baskets)

        return reached

    def _less(self, lines: tuple[SaleLine, ...], serial: str, member_id: str | None) -> tuple[SaleLine, ...]:
        known = known_serial(self.read, self.own, serial, is_alone=self.terms.is_alone)
        if known is None:
            return lines
        definition = known.definition
        costs = [left if is_for(definition, line.sku) else 0 for line, left in zip(lines, room(lines), strict=True)]
        amount = amount_for(definition, basket_of_lines(self.shop.currency, lines, serial, member_id=member_id))
        return shared_out(lines, Discount(min(amount, sum(costs)), "coupon", serial), over=costs)

    def _examined(
        self, lines: tuple[SaleLine, ...], serial: str, member_id: str | None, taken: Sequence[QuotedCoupon]
    ) -> Examined:
        without_right = sum(each.amount for each in taken if each.verdict == Verdict.CONDITIONAL)
        wish = Wish(
            serial=serial,
            amount=max(1, taken_off(lines, serial)),
            basket=basket_of_lines(self.shop.currency, lines, serial, member_id=member_id),
            at=self.at,
            business_date=self.business_date,
        )
        terms = replace(self.terms, exposed_max=max(0, self.terms.exposed_max - without_right))
        return examine(self.read, self.own, wish, terms=terms, shop=self.shop, is_line_up=self.is_line_up)
