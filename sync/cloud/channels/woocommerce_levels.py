"""WooCommerce: levels out, and read back. Conversations without I/O.

    products                 PUT /wp-json/wc/v3/products/batch {update: [{id, manage_stock, stock_quantity}]}
    variations of a product  PUT /wp-json/wc/v3/products/{id}/variations/batch

At most BATCH_MAX a call; an item that is refused is answered in its place, the others are done. The route takes POST, PUT and
PATCH alike. There is no compare-and-set: an order that comes between our look and our word is seen by the next look.

Source: WooCommerce REST API v3, Products, Product variations, batch; HTTP Basic with the key and its secret over https.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from itertools import groupby

import msgspec
from msgspec import Struct

from sync.cloud.channels.calls import Conversation, ShopAnswer, ShopCall, ShopFaultError
from sync.cloud.channels.reading import level_of
from sync.cloud.channels.said import Level, SetResult, Wanted
from sync.cloud.channels.settings import Channel
from sync.json_errors import NOT_JSON

BATCH_MAX = 100
PER_PAGE = 100
PAGES_MAX = 10_000
BASE = "/wp-json/wc/v3"
FIELDS = "id,sku,type,manage_stock,stock_quantity"


class _Product(Struct, frozen=True):
    id: int
    sku: str | None = None
    type: str = ""
    stock_quantity: float | None = None


class _Fault(Struct, frozen=True):
    code: str = ""
    message: str = ""


class _Done(Struct, frozen=True):
    id: int = 0
    error: _Fault | None = None


class _Batch(Struct, frozen=True):
    update: list[_Done] = []


_products = msgspec.json.Decoder(list[_Product]).decode
_batch = msgspec.json.Decoder(_Batch).decode


def headers(channel: Channel) -> Mapping[str, str]:
    """Return what each call carries."""
    basic = b64encode(channel.token.encode()).decode()
    return {"Authorization": f"Basic {basic}", "Content-Type": "application/json"}


def levels(_channel: Channel) -> Conversation[list[Level]]:
    """Return what the shop shows of all products and their variations."""
    found: list[Level] = []
    for product in (yield from _pages("/products")):
        if product.type == "variable":
            variations = yield from _pages(f"/products/{product.id}/variations")
            found += [_level(each, str(product.id)) for each in variations]
        else:
            found.append(_level(product, ""))
    return found


def set_levels(_channel: Channel, wanted: Sequence[Wanted]) -> Conversation[list[SetResult]]:
    """Set levels, of each product's variations together."""
    results: list[SetResult] = []
    for parent, group in groupby(
        sorted(wanted, key=lambda each: (each.parent, each.item)), key=lambda each: each.parent
    ):
        path = f"{BASE}/products/{parent}/variations/batch" if parent else f"{BASE}/products/batch"
        items = list(group)
        for start in range(0, len(items), BATCH_MAX):
            part = items[start : start + BATCH_MAX]
            said = yield ShopCall("PUT", path, msgspec.json.encode({"update": [_update(each) for each in part]}))
            results += _results(said, part)
    return results


def wait_s(_said: ShopAnswer) -> float:
    """Return 0: a host that has enough answers 429, and who sends the calls sees that."""
    return 0.0


def _pages(path: str) -> Conversation[list[_Product]]:
    found: list[_Product] = []
    for page in range(1, PAGES_MAX):
        query = (
            ("per_page", str(PER_PAGE)),
            ("page", str(page)),
            ("orderby", "id"),
            ("order", "asc"),
            ("_fields", FIELDS),
        )
        said = yield ShopCall("GET", BASE + path, query=query)
        try:
            part = _products(said.body)
        except NOT_JSON as err:
            raise ShopFaultError("shop_answer", f"{path}: {err}") from err
        found += part
        if len(part) < PER_PAGE or said.headers.get("x-wp-totalpages") == str(page):
            return found
    raise ShopFaultError("shop_answer", f"{path}: more than {PAGES_MAX} pages")


def _level(product: _Product, parent: str) -> Level:
    return Level(str(product.id), parent, product.sku or "", level_of(product.stock_quantity))


def _update(each: Wanted) -> dict[str, object]:
    return {"id": int(each.item), "manage_stock": True, "stock_quantity": each.wanted}


def _results(said: ShopAnswer, wanted: Sequence[Wanted]) -> list[SetResult]:
    """Pair answers with what was asked by their place, which the shop keeps; one without an answer was not done."""
    try:
        done = _batch(said.body).update
    except NOT_JSON as err:
        raise ShopFaultError("shop_answer", f"batch: {err}") from err
    results = []
    for index, each in enumerate(wanted):
        answer = done[index] if index < len(done) else _Done(error=_Fault("no_answer"))
        fault = answer.error or (_Fault("no_answer") if answer.id != int(each.item) else None)
        refused = SetResult(each.item, "refused", f"{fault.code}: {fault.message}") if fault else SetResult(each.item)
        results.append(refused)
    return results
