"""What a printer gets of a sale: its receipt is made when it is handed out, by what the books say."""

from collections.abc import Callable
from typing import Any

from devices.document import Document
from hub.store.catalogue.products import names_of
from hub.store.selling import printing
from hub.store.selling.printing import PrintTo
from hub.store.selling.sold import just_sold
from hub.store.selling.sold import sold as sold_of
from sync.retail.selling.sales import Sale
from tests.hub.spooler_world import NOTE, Desk


async def test_a_sales_receipt_is_rendered_when_it_is_handed_out(store: Any, sale: Callable[..., Sale]) -> None:
    rendered: list[printing.OpenJob] = []

    def render(job: printing.OpenJob, _sale: Any) -> Document:
        rendered.append(job)
        return NOTE

    spooler = Desk(store, render=render).spooler
    one = sale()
    await store.sell(one, print_to=PrintTo("p1"))

    await spooler.next_job()

    assert [(job.sale_id, job.mark, job.document) for job in rendered] == [(one.sale_id, "", None)]


async def test_a_receipt_behind_another_is_made_of_what_was_read_when_it_began(
    store: Any, sale: Callable[..., Sale]
) -> None:
    at_hand: list[Any] = []

    def render(_job: printing.OpenJob, sold: Any) -> Document:
        at_hand.append(sold)
        return NOTE

    spooler = Desk(store, render=render).spooler
    for one in (sale(), behind := sale()):
        await store.sell(one, print_to=PrintTo("p1"))

    for _ in range(2):
        job = await spooler.next_job()
        await job.begin()
        await job.printed()

    first, second = at_hand
    assert (first, second.view.fact.sale.sale_id, second.back) == (None, behind.sale_id, None)
    assert second.names == names_of(store.db.read, [line.sku for line in behind.lines]) != {}


async def test_what_a_sales_job_leaves_for_the_receipt_is_what_the_books_say(
    store: Any, sale: Callable[..., Sale]
) -> None:
    recorded = await store.sell(one := sale(), print_to=PrintTo("p1", is_promised=True))

    assert [just_sold(recorded)] == sold_of(store.db.read, one.sale_id)
