"""What head office does with coupons: what there is, which store holds a batch, how a serial stands.

POST /cloud/v1/coupons {coupons, batches}         all of it or none                      (office)
POST /cloud/v1/coupons/grants {batch_id, store}   each serial of a batch, to the store's hub that was heard last
POST /cloud/v1/coupons/disputes/{redemption_id}/end   head office bears it; the store is told          (office)
GET  /cloud/v1/coupons/{serial}                   who holds uses, which redemptions stand, which are disputed
"""

from typing import Annotated

import msgspec
from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Meta, Struct

from sync.cloud.loyalty.coupons import BORNE, Put, end_dispute, grant_batch, put_coupons, serial_of
from sync.cloud.rights.rights import living_of
from sync.cloud.web.http import CLOUD, AnswerError, answer, office, read_body
from sync.errors import RuleError
from sync.retail.names import NameIn
from sync.retail.people.coupon_rows import CouponBatchRow, CouponRow
from sync.retail.people.coupons import DisputeFact
from sync.retail.selling.sales import Id

ROWS_MAX = 500  # of one request: one write job, told to every store


class CouponIn(CouponRow, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="coupon"):
    """A coupon; `gone` withdraws it."""

    name: NameIn

    @property
    def row(self) -> CouponRow:
        """The same as it is stored."""
        said = {name: getattr(self, name) for name in CouponRow.__struct_fields__}
        return CouponRow(**said | {"name": self.name.plain})


class BatchIn(
    CouponBatchRow, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="coupon_batch"
):
    """A batch; `gone` withdraws it."""

    @property
    def row(self) -> CouponBatchRow:
        """The same as it is stored."""
        return CouponBatchRow(**{name: getattr(self, name) for name in CouponBatchRow.__struct_fields__})


class CouponsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to stand; `n` is given by the cloud."""

    coupons: Annotated[tuple[CouponIn, ...], Meta(max_length=ROWS_MAX)] = ()
    batches: Annotated[tuple[BatchIn, ...], Meta(max_length=ROWS_MAX)] = ()


class GrantRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A batch for a store."""

    batch_id: Id
    store: str


class Granted(Struct, frozen=True):
    """Who holds the batch now."""

    batch_id: str
    taker: str
    uses: int


class SerialView(Struct, frozen=True):
    """How a serial stands: rights by replica, redemptions by their ids."""

    serial: str
    coupon_id: str
    uses: int
    rights: dict[str, int]
    held: tuple[str, ...]
    provisional: tuple[str, ...]
    disputes: tuple[DisputeFact, ...]


class DisputeEnded(Struct, frozen=True):
    """Why a dispute is over."""

    redemption_id: str
    why: str


_coupons = msgspec.json.Decoder(CouponsRequest)
_grant = msgspec.json.Decoder(GrantRequest)


async def post_coupons(request: web.Request) -> web.StreamResponse:
    """Write coupons and batches, and tell all stores."""
    wanted, cloud = await read_body(request, _coupons), request.app[CLOUD]
    books, stores = cloud.books, cloud.config.stores
    try:
        put: Put = await books.db.write(
            lambda tx: put_coupons(
                tx,
                books.replica,
                stores,
                coupons=[each.row for each in wanted.coupons],
                batches=[each.row for each in wanted.batches],
            ),
            then=lambda _: books.on_grown(),
        )
    except RuleError as err:
        raise AnswerError(422, err.code, err.detail, pointer=err.pointer) from err
    return answer(put)


async def post_grant(request: web.Request) -> web.StreamResponse:
    """Give a batch to a store; the same again answers the same."""
    wanted, cloud = await read_body(request, _grant), request.app[CLOUD]
    books = cloud.books
    if wanted.store not in cloud.config.stores:
        known = ", ".join(cloud.config.stores)
        raise AnswerError(404, "store", f"no store {wanted.store[:80]!r}; known: {known}", pointer="/store")
    taker = next(iter(living_of(books.db.read, wanted.store)), None)
    if taker is None:
        raise AnswerError(409, "no_hub", f"no hub of {wanted.store} was heard yet", pointer="/store")
    try:
        row = await books.db.write(
            lambda tx: grant_batch(tx, books.replica, wanted.batch_id, taker), then=lambda _: books.on_grown()
        )
    except RuleError as err:
        raise AnswerError(409, err.code, err.detail, pointer=err.pointer) from err
    return answer(Granted(row.batch_id, row.taker, row.n))


async def post_end(request: web.Request) -> web.StreamResponse:
    """Bear a dispute; the same again answers the same."""
    books, redemption_id = request.app[CLOUD].books, request.match_info["redemption_id"]
    is_news = await books.db.write(lambda tx: end_dispute(tx, books.replica, redemption_id))
    if is_news is None:
        raise AnswerError(404, "dispute", f"no dispute about {redemption_id[:64]!r}")
    if is_news:
        books.on_grown()
    return answer(DisputeEnded(redemption_id, BORNE), status=201 if is_news else 200)


async def get_serial(request: web.Request) -> web.StreamResponse:
    """How a serial stands."""
    known = serial_of(request.app[CLOUD].books.db.read, request.match_info["serial"])
    if known.batch is None and not known.heard:
        raise AnswerError(404, "coupon", f"no coupon {known.serial[:64]!r}")
    return answer(
        SerialView(
            serial=known.serial,
            coupon_id=known.batch.coupon_id if known.batch else "",
            uses=known.uses,
            rights=known.rights,
            held=known.resolved.held,
            provisional=known.resolved.provisional,
            disputes=known.resolved.disputes,
        )
    )


def coupon_routes() -> list[RouteDef]:
    """Return the routes."""
    return [
        web.post("/cloud/v1/coupons", office(post_coupons)),
        web.post("/cloud/v1/coupons/grants", office(post_grant)),
        web.post("/cloud/v1/coupons/disputes/{redemption_id}/end", office(post_end)),
        web.get("/cloud/v1/coupons/{serial}", office(get_serial)),
    ]
