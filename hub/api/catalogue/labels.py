"""POST /v1/labels: labels for the shelf, one product or a whole list of price changes, as one print job."""

from typing import Annotated

from msgspec import Meta, Struct

from devices.document import Document, Element, ShelfLabel
from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.api.selling.printing import announce_queued
from hub.errors import ConflictError, RefusedError
from hub.store.catalogue import products
from hub.store.catalogue.labels import shelf_label
from hub.store.catalogue.price_tags import with_prices
from hub.store.catalogue.pricing import at_moment
from hub.store.selling import printing
from hub.store.selling.printing import PrintJobView
from sync.retail.money import AMOUNT_MINOR_MAX
from sync.retail.selling.sales import Id, Sku

LABELS_MAX = 200  # of one job; a longer list of price changes is sent in parts
_LabelOrders = Annotated[list["LabelOrder"], Meta(min_length=1, max_length=LABELS_MAX)]


class LabelOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """A product, how many labels of it, and its price before, in minor units, where that is to be shown as well."""

    sku: Sku
    copies: Annotated[int, Meta(ge=1, le=99)] = 1
    was: Annotated[int, Meta(ge=0, le=AMOUNT_MINOR_MAX)] | None = None


class LabelsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Labels at the prices of now. `job_id` is made by the client; sent again, it prints nothing more, whatever prices did."""

    job_id: Id
    printer_id: Id
    labels: _LabelOrders


async def post_labels(call: Call) -> Reply:
    """POST /v1/labels"""
    hub, request = call.hub, call.body
    printer_id = hub.spooler(request.printer_id).printer_id
    known = printing.known_document(hub.db.read, request.job_id)
    if known is not None:
        _check_same(request, known)
        return Reply(hub.standing(printing.job_view(hub.db.read, request.job_id)), 202)
    document, now_ms = Document(_labels(call, request)), hub.now_ms()
    job = await hub.db.write(
        lambda tx: printing.queue_document(tx, request.job_id, document, printer_id=printer_id, now_ms=now_ms),
        then=lambda job: announce_queued(call, job),
    )
    return Reply(job, 202)


def _labels(call: Call, request: LabelsRequest) -> tuple[Element, ...]:
    hub = call.hub
    found = [products.item_by_sku(hub.db.read, order.sku, location=hub.shop.location) for order in request.labels]
    for place, item in enumerate(found):
        if item is None:
            raise RefusedError("unknown_sku", f"no product {request.labels[place].sku}", pointer=f"/labels/{place}/sku")
    at = at_moment(hub.shop, hub.now, is_sure=hub.clock.is_sure)
    items = with_prices(hub.db.read, hub.shop, [item for item in found if item is not None], at)
    for place, priced in enumerate(items):
        if priced.price is None:
            raise RefusedError("no_price", f"{priced.sku} has no price here", pointer=f"/labels/{place}/sku")
    return tuple(
        shelf_label(item, copies=order.copies, was=order.was) for item, order in zip(items, request.labels, strict=True)
    )


def _check_same(request: LabelsRequest, known: Document) -> None:
    """The same labels of the same products: their prices may have changed since, the job has not."""
    before = [(label.sku, label.copies) for label in known.elements if isinstance(label, ShelfLabel)]
    if before != [(order.sku, order.copies) for order in request.labels]:
        raise ConflictError("other_content", f"print job {request.job_id} is known with other content")


ROUTES = (
    Route(
        "POST",
        "/v1/labels",
        post_labels,
        "Print shelf labels of products at the prices of now",
        STAFF,
        PrintJobView,
        body=LabelsRequest,
        status=202,
        problems=(404, 409, 422, 503),
    ),
)
