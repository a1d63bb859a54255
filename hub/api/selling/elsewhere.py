"""What a receipt says: this store's own sale, or that of another, asked of the cloud while a customer waits; or not at all.

    the cloud        answers with the sale    what is taken back is held against it, and against what is back in all stores
                     knows no such sale       the seller's rows may be on their way: as without a line, and said
    no line, late    nobody is asked          what docs/returns.md says of a claim, and said

Not here: what follows (hub.store.selling.claims), the cloud's side (sync.cloud.receipts).
"""

from urllib.parse import quote

import aiohttp
import msgspec

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.enrolment.credentials import context_of, token_of
from hub.errors import HubError, NotFoundError
from hub.runtime import Runtime
from hub.store.selling.claims import Proof
from hub.store.selling.returns import returned_by_line
from hub.store.selling.sales import find_sale
from sync.errors import SyncError
from sync.retail.selling.claims import Paid, SoldElsewhere, SoldList
from sync.retail.selling.returns import Return
from sync.retail.selling.sales import SaleFact

ASK_TIMEOUT_S = 2.0  # a customer stands there; the caps are what holds without an answer
ANSWER_MAX = 1024 * 1024  # a longer answer is none of the cloud's
_sold = msgspec.json.Decoder(SoldList).decode


class ElsewhereOfflineError(HubError):
    """Other stores' sales cannot be asked for now; nothing was changed. Later, or without the receipt."""


async def get_sold(call: Call) -> Reply:
    """GET /v1/receipts/{name}"""
    name, read = call.path["name"], call.hub.db.read
    own = find_sale(read, name)
    if own is not None:
        return Reply(SoldList((_own(call, own.fact),)))
    sold = await ask(call.hub, name)
    if not sold.items:
        raise NotFoundError("receipt", f"no store has sent a sale {name[:64]!r}")
    return Reply(sold)


def _own(call: Call, fact: SaleFact) -> SoldElsewhere:
    sale, store = fact.sale, call.hub.shop.store_id
    return SoldElsewhere(
        store=store,
        sale_id=sale.sale_id,
        receipt_no=fact.receipt_no,
        business_date=fact.business_date,
        currency=sale.currency,
        lines=sale.lines,
        tenders=tuple(Paid(tender.type, tender.amount) for tender in sale.tenders),
        returned={store: returned_by_line(call.hub.db.read, sale.sale_id)},
    )


async def proof_of(hub: Runtime, content: Return, *, has_happened: bool) -> Proof:
    """Return what the cloud knows of the sale that a return claims; nothing is asked where it is no claim, or has happened."""
    store = content.claim.store if content.claim else None
    if store is None or has_happened or hub.config.cloud is None:
        return Proof()
    try:
        sold = await ask(hub, content.sale_id)
    except ElsewhereOfflineError as err:
        return Proof(unproved=err.detail)
    found = next((each for each in sold.items if each.store == store), None)
    return Proof(found, "" if found else f"the cloud knows no such sale of {store} yet")


async def ask(hub: Runtime, name: str) -> SoldList:
    """Return the sales of a receipt's number or an id; raise ElsewhereOfflineError."""
    cloud = hub.config.cloud
    if cloud is None or cloud.url is None or hub.replication.is_cut_off:
        raise ElsewhereOfflineError("elsewhere_offline", "there is no line to the cloud")
    url = f"{cloud.url.rstrip('/')}/cloud/v1/receipts/{quote(name, safe='')}"
    limit = aiohttp.ClientTimeout(total=ASK_TIMEOUT_S)
    try:
        token, context = token_of(cloud), context_of(cloud)
    except SyncError as err:
        raise ElsewhereOfflineError("elsewhere_offline", err.detail) from err
    try:
        async with (
            aiohttp.ClientSession(timeout=limit, headers={"Authorization": f"Bearer {token}"}) as session,
            session.get(url, ssl=context or True) as response,
        ):
            if response.status != 200:
                raise ElsewhereOfflineError("elsewhere_offline", f"the cloud answered {response.status}")
            return _sold(await response.content.read(ANSWER_MAX))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, msgspec.MsgspecError) as err:
        raise ElsewhereOfflineError("elsewhere_offline", f"the cloud does not answer ({type(err).__name__})") from err


ROUTES = (
    Route(
        "GET",
        "/v1/receipts/{name}",
        get_sold,
        "A sale by its receipt: of this store, else of any of the chain, asked of the cloud",
        STAFF,
        SoldList,
        problems=(404, 503),
    ),
)
