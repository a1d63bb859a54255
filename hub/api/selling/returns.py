"""Taking back: POST /v1/returns and what is known of a return."""

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.api.selling.elsewhere import proof_of
from hub.api.staff.tills import check_till
from hub.errors import NotFoundError
from hub.runtime import Runtime
from hub.store.selling import returns
from hub.store.selling.claims import ReturnTerms
from hub.store.selling.rehearsed import rehearsed_return
from hub.store.selling.returns import ReturnAnswer, ReturnView, Taken
from hub.store.selling.sale_approvals import Authority
from sync.retail.selling.returns import Return


class ReturnRequest(Return, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """A return; `offline`: it has happened already, as one that a hub had answered before it was restored from a copy.

    Such a one is not refused for what is left of the sale: what was found stands on it as a warning. `training`: answered like a
    return, and in no book.
    """

    offline: bool = False
    training: bool = False


async def post_return(call: Call) -> Reply:
    """POST /v1/returns"""
    hub, request = call.hub, call.body
    check_till(call, request.till_id, what="return")
    content = Return(**{name: getattr(request, name) for name in Return.__struct_fields__})
    terms = await terms_of(call, content, has_happened=request.offline)
    job = returns.return_job(
        hub.replica,
        hub.shop,
        content,
        now_ms=hub.now_ms(),
        warnings=hub.clock.warnings,
        has_happened=request.offline,
        terms=terms,
    )
    if request.training:
        return Reply((await hub.db.write(rehearsed_return(job, hub.replica))).answer, 201)
    taken = await hub.db.write(job, then=lambda taken: announce_return(hub, taken))
    return Reply(taken.answer, 201 if taken.status == "created" else 200)


async def terms_of(call: Call, content: Return, *, has_happened: bool) -> ReturnTerms:
    """Return what a return is held against, and by whom it is taken; of another store's sale the cloud is asked."""
    proof = await proof_of(call.hub, content, has_happened=has_happened)
    config, person = call.hub.config, call.person
    authority = Authority(config.approvals, person.role if person else None)
    return ReturnTerms(config.returns, authority, call.actor, is_sure=call.hub.clock.is_sure, proof=proof)


def announce_return(hub: Runtime, taken: Taken) -> None:
    """Count it, and tell other screens of one that is new."""
    hub.metrics.returns.labels(taken.status).inc()
    if taken.status != "created":
        return
    now_ms = hub.now_ms()
    hub.bus.publish("return", returns.return_event(taken.fact), now_ms=now_ms)
    if taken.stock:
        hub.bus.publish("stock", dict(taken.stock), now_ms=now_ms)


async def get_return(call: Call) -> Reply:
    """GET /v1/returns/{return_id}"""
    view = returns.find_return(call.hub.db.read, call.path["return_id"])
    if view is None:
        raise NotFoundError("return", f"no return {call.path['return_id']!r}")
    return Reply(view)


ROUTES = (
    Route(
        "POST",
        "/v1/returns",
        post_return,
        "Take goods of a sale back",
        STAFF,
        ReturnAnswer,
        body=ReturnRequest,
        status=201,
        statuses=(200,),
        problems=(403, 404, 409, 422, 503),
        duty="returns.take",
    ),
    Route(
        "GET",
        "/v1/returns/{return_id}",
        get_return,
        "One return by its id",
        STAFF,
        ReturnView,
        problems=(404,),
    ),
)
