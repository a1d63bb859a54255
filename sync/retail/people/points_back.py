"""What a return does to points: of what its sale earned it takes back its part, of what was burned it gives back its part. Pure.

    earned    in proportion to what the goods came to after discounts
    burned    in proportion to what they cost before: a sale that was paid by points alone comes to nothing

The parts telescope: all returns of a sale together take back all and give back all, to the last point, whatever the rule is by
then. Source: the design, 3.3 (Points).
"""

from collections.abc import Callable, Mapping, Sequence

from sync.retail.money import line_amount
from sync.retail.people.points import PointsRule, points_back
from sync.retail.selling.returns import ReturnLine
from sync.retail.selling.sales import PointsEffect, SaleFact, SaleLine, amount_of


def return_points(sold: SaleFact, back: Sequence[ReturnLine], returned: Mapping[int, int]) -> tuple[PointsEffect, ...]:
    """Return the effects of taking these lines back, `returned` being line -> qty of what was back before."""
    total = dict(returned)
    for each in back:
        total[each.line] = total.get(each.line, 0) + each.qty
    changed = []
    for effect in sold.points:
        worth = amount_of if effect.points > 0 else _gross
        whole = sum(map(worth, sold.sale.lines))
        if whole <= 0:
            continue
        rule = PointsRule(points=abs(effect.points), per=whole)
        kept = [whole - _worth_back(sold.sale.lines, worth, each) for each in (returned, total)]
        points = points_back(rule, *kept)
        if points:
            changed.append(PointsEffect(effect.member_id, -points if effect.points > 0 else points))
    return tuple(changed)


def _worth_back(lines: Sequence[SaleLine], worth: Callable[[SaleLine], int], returned: Mapping[int, int]) -> int:
    return sum(line_amount(worth(line), min(line.qty, returned.get(line.line, 0)), line.qty) for line in lines)


def _gross(line: SaleLine) -> int:
    return amount_of(line) + line.discount
