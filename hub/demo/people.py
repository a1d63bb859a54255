"""What the demo's shop has besides goods: cashiers, regulars, a delivery, a transfer, and head office's promotion and coupon.

Everything goes in as a shop's people would do it, by the control socket, the API and the cloud's; done again it changes nothing.
Names and PINs are invented for the demo; the PINs stand in demo.json, so that whoever plays with it can sign in.
"""

import asyncio
from collections.abc import Awaitable

from msgspec import Struct

from hub.api.staff.cashiers import EnrolRequest
from hub.api.stock.documents import DocumentLine, DocumentRequest
from hub.client import CloudClient, HubClient, ProblemError
from hub.demo.house import JOIN_TIMEOUT_S, POLL_S, House
from hub.demo.settings import CURRENCY, STORE_ID
from hub.demo.till_client import TillClient
from hub.store.catalogue.quotes import QuoteLine, QuoteRequest
from hub.store.people.member_requests import Enrolment
from sync.errors import StartError
from sync.retail.names import Name
from sync.retail.staff.cashiers import Role

COUPON, BATCH = "WELCOME10", "WELCOME-2"
SPEND_MIN, TAKES_OFF = 5000, 1000
DRINKS = "DRINKS-2"
DRINKS_NAME = Name(zh_hant="飲品任選兩件 $20", en="Any two drinks for $20")
CONFLICT = 409
_DRINK = "MLKT-280"  # tells whether the promotion has come down


class Cashier(Struct, frozen=True):
    """Somebody at a till."""

    number: str
    name: str
    role: Role
    pin: str


LING = Cashier("1", "陳玲 Ling", "manager", "528491")
KIT = Cashier("2", "黃傑 Kit", "cashier", "6093")
CASHIERS = (LING, KIT)
REGULARS = (
    ("陳大文 Chan Tai Man", "taiman"),
    ("李小美 Lee Siu Mei", "siumei"),
    ("何家俊 Ho Ka Chun", "kachun"),
    ("林淑芬 Lam Suk Fan", "sukfan"),
    ("Maria Santos", "maria"),
    ("Priya Nair", "priya"),
)
DOCUMENTS = (
    DocumentRequest(
        "demo-delivery",
        "receive",
        (DocumentLine("SOY-500", 24, 24), DocumentLine("RICE-5K", 10, 12)),
        reference="DN-1001",
        by="c1",
    ),
    DocumentRequest("demo-transfer", "transfer_out", (DocumentLine("TOTE-RED", 5),), to="demo-hk02", by="c1"),
)


def regular_id(number: int) -> str:
    """Return the member id of a regular."""
    return f"regular-{number}"


async def move_in(house: House, control: HubClient, manager: TillClient) -> None:
    """Let cashiers, regulars, promotion and coupon be there; return when they are."""
    known = {cashier.number for cashier in await manager.cashiers()}
    for cashier in CASHIERS:
        if cashier.number not in known:
            await control.enrol_cashier(
                EnrolRequest(f"c{cashier.number}", cashier.number, cashier.name, cashier.role, cashier.pin)
            )
    for number, (name, word) in enumerate(REGULARS, 1):
        email, card = f"{word}@example.com", f"GD{number:06}"
        regular = Enrolment(
            member_id=regular_id(number), name=name, email=email, card=card, consents={"marketing": "in"}
        )
        await _once(manager.enrol_member(regular))
    for document in DOCUMENTS:
        await _once(manager.book_document(document))
    async with CloudClient(house.cloud_url, house.keys.office_token) as cloud:
        await cloud.put_pricing({"promotions": [_drinks()]})
        await cloud.put_coupons(_coupons())
        await cloud.grant_coupons(BATCH, STORE_ID)
    await _until_promoted(manager)


async def _once(written: Awaitable[object]) -> None:
    """What is known with what has been changed since stays as it is."""
    try:
        await written
    except ProblemError as err:
        if err.problem.status != CONFLICT:
            raise


async def _until_promoted(manager: TillClient) -> None:
    asked = QuoteRequest(lines=(QuoteLine(line=1, sku=_DRINK, qty=2),))
    try:
        async with asyncio.timeout(JOIN_TIMEOUT_S):
            while not (await manager.quote(asked)).promotions:  # noqa: ASYNC110 - what comes down is not told by promotion
                await asyncio.sleep(POLL_S)
    except ProblemError:  # another catalogue, without this drink
        return
    except TimeoutError as err:
        raise StartError(
            f"the promotion did not come down within {JOIN_TIMEOUT_S:g} s; see hub.log and cloud.log"
        ) from err


def _drinks() -> dict[str, object]:
    return {
        "promotion_id": DRINKS,
        "name": {"zh-Hant": DRINKS_NAME.zh_hant, "en": DRINKS_NAME.en},
        "does": "n_for_amount",
        "count": 2,
        "amount": 2000,
        "categories": ["飲品 Drinks"],
    }


def _coupons() -> dict[str, object]:
    return {
        "coupons": [
            {
                "kind": "coupon",
                "coupon_id": COUPON,
                "name": {"zh-Hant": "滿 $50 減 $10", "en": "$10 off from $50"},
                "currency": CURRENCY,
                "valid_from": "2020-01-01",
                "valid_until": "2099-12-31",
                "spend_min": SPEND_MIN,
                "amount_max": TAKES_OFF,
            }
        ],
        "batches": [
            {
                "kind": "coupon_batch",
                "batch_id": BATCH,
                "coupon_id": COUPON,
                "prefix": "WEL",
                "digits": 5,
                "count": 20_000,
                "instant": True,
            }
        ],
    }
