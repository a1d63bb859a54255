"""Members: found, enrolled, edited, joined, asked; told in full or forgotten. What is shown depends on who asks.

    anybody at a till                       look-up by one exact identity or code; names and identities masked
    a manager, by token or signed in        all of it; search by name and last digits; unjoin, correct points, export, erase

Not here: SQL and rules (hub.store). No name, number or address is in any log, event or problem.
"""

from functools import partial
from sqlite3 import Connection
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.paging import cut
from hub.api.routing import Call, Handle, Reply, Route
from hub.api.selling.printing import announce_queued, printer_of
from hub.erasures import list_erased
from hub.errors import NotFoundError, RefusedError
from hub.store.people import erasure, member_words, members, points
from hub.store.people.erasure import Erased, Erasure, Export
from hub.store.people.member_requests import Consent, Enrolment, Join, MemberEdit, TierGiven, Unjoin
from hub.store.people.members import Job, Written
from hub.store.people.people import PersonView, found_by_code, is_erased, known_by, masked, person
from hub.store.people.points import Adjustment, Balance, Exposure
from hub.store.people.welcome import WelcomeCoupon, welcome_of, welcome_paper
from hub.store.selling.printing import PrintJobView, known_job, queue_document
from sync.errors import BusyError, RuleError
from sync.model import Stream
from sync.retail.people.identities import CARD, EMAIL, LINE, PHONE, canonical
from sync.retail.selling.sales import Id, Warned
from sync.retail.staff.cashiers import is_at_least

PAGE_MAX = 50
SERVE, MANAGE = "members.serve", "members.manage"
Text = Annotated[str, Meta(max_length=200)]


class MemberQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """One of `phone`, `card`, `email`, `line`, `of` with `value` (a declared kind), `scan` (the text of a QR code or a card), or
    `q` (words of a name, last four digits of a telephone; manager). `after` is the `next` of the page before.
    """

    phone: Text | None = None
    card: Text | None = None
    email: Text | None = None
    line: Text | None = None
    of: Text | None = None
    value: Text | None = None
    scan: Annotated[str, Meta(max_length=4096)] | None = None
    q: Text | None = None
    after: Text = ""
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 20


class MemberPage(Struct, frozen=True):
    """People; `next` goes into `after`, null on the last page. Two for one identity: they may be one, join them."""

    items: list[PersonView]
    next: str | None = None


class EnrolmentRequest(Enrolment, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A new member; `print`: where the coupon is printed that it gets, true for the shop's receipt printer."""

    print: bool | Id = False


class MemberAnswer(Struct, frozen=True, omit_defaults=True):
    """The person after a write; `coupon` is what a new member has got, the same to an enrolment that is sent again."""

    member: PersonView
    coupon: WelcomeCoupon | None = None
    warnings: tuple[Warned, ...] = ()


class ErasedAnswer(Struct, frozen=True):
    """Who was erased. `is_overwritten`: nothing of it is left in the files either; false: a reader held them, ask again."""

    ids: list[str]
    is_overwritten: bool


async def list_members(call: Call) -> Reply:
    """GET /v1/members"""
    query, rules = call.query, call.hub.shop.members
    if query.q is not None:
        return await _search(call)
    if query.scan is not None:
        with call.hub.db.snapshot() as read:
            return Reply(_page(call, found_by_code(read, query.scan, rules)))
    if (query.of is None) != (query.value is None):
        raise RefusedError("member_query", "`of` and `value` belong together", pointer="/of")
    asked = {PHONE: query.phone, CARD: query.card, EMAIL: query.email, LINE: query.line, query.of or "": query.value}
    given = [(kind, text) for kind, text in asked.items() if text is not None]
    if len(given) != 1:
        raise RefusedError("member_query", f"{len(given)} identities are asked for, one is looked up", pointer="")
    kind, text = given[0]
    try:
        form = canonical(kind, text, region=rules.region, declared=rules.declared)
    except RuleError as err:
        raise RefusedError(err.code, str(err), pointer=_asked_at(query, kind, err.code)) from err
    with call.hub.db.snapshot() as read:
        return Reply(_page(call, known_by(read, kind, form, rules)))


def _asked_at(query: MemberQuery, kind: str, code: str) -> str:
    """Return which part of a query is wrong."""
    if query.of is not None:
        return "/of" if code == "identity_kind" else "/value"
    return {LINE: "/line"}.get(kind, f"/{kind}")


async def get_member(call: Call) -> Reply:
    """GET /v1/members/{member_id}"""
    return Reply(_view(call, call.path["member_id"]))


async def post_member(call: Call) -> Reply:
    """POST /v1/members"""
    hub, request = call.hub, call.body
    content = Enrolment(**{name: getattr(request, name) for name in Enrolment.__struct_fields__})
    enrol, now_ms = members.enrol_job(hub.member_work(call.actor), content), hub.now_ms()
    printer_id = printer_of(call, request.print) if request.print is not False else None

    def job(tx: Connection) -> tuple[Written, WelcomeCoupon | None, PrintJobView | None]:
        written = enrol(tx)
        coupon = welcome_of(tx, content.member_id)
        if coupon is None:
            return written, None, None
        if written.status == "repeated" or printer_id is None:
            return written, coupon, known_job(tx, coupon.paper)
        try:
            paper = welcome_paper(hub.shop, coupon)
            return written, coupon, queue_document(tx, coupon.paper, paper, printer_id=printer_id, now_ms=now_ms)
        except BusyError as err:  # the member is enrolled all the same
            said = (*written.warnings, Warned(err.code, detail=str(err)))
            return msgspec.structs.replace(written, warnings=said), coupon, None

    def announce(done: tuple[Written, WelcomeCoupon | None, PrintJobView | None]) -> None:
        if done[0].status == "created":
            _announce(call, done[0].member_id, "enrolled")
            if done[2] is not None:
                announce_queued(call, done[2])

    written, coupon, queued = await hub.db.write(job, then=announce)
    if coupon is not None and queued is not None:
        coupon = msgspec.structs.replace(coupon, print_job=queued.job_id)
    answer = MemberAnswer(_view(call, written.member_id), coupon, written.warnings)
    return Reply(answer, 201 if written.status == "created" else 200)


async def post_edit(call: Call) -> Reply:
    """POST /v1/members/{member_id}/edits"""
    return await _write(call, members.edit_job(call.hub.member_work(call.actor), _id(call), call.body), "edited")


async def post_link(call: Call) -> Reply:
    """POST /v1/members/{member_id}/links"""
    return await _write(call, members.join_job(call.hub.member_work(call.actor), _id(call), call.body), "joined")


async def post_unlink(call: Call) -> Reply:
    """POST /v1/members/{member_id}/unlinks"""
    return await _write(call, members.unjoin_job(call.hub.member_work(call.actor), _id(call), call.body), "unjoined")


async def post_consent(call: Call) -> Reply:
    """POST /v1/members/{member_id}/consents"""
    return await _write(call, members.consent_job(call.hub.member_work(call.actor), _id(call), call.body), "consent")


async def post_tier(call: Call) -> Reply:
    """POST /v1/members/{member_id}/tier"""
    return await _write(call, members.tier_job(call.hub.member_work(call.actor), _id(call), call.body), "tier")


async def post_points(call: Call) -> Reply:
    """POST /v1/members/{member_id}/points"""
    hub, member_id = call.hub, _id(call)

    def announce(balance: Balance) -> None:
        if not balance.repeated:
            _announce(call, balance.member_id, "points")

    job = points.adjust_job(hub.replica, hub.shop, member_id, call.body, actor=call.actor, now_ms=hub.now_ms())
    balance = await hub.db.write(job, then=announce)
    return Reply(balance, 200 if balance.repeated else 201)


async def get_exposure(call: Call) -> Reply:
    """GET /v1/points/exposure"""
    hub = call.hub
    held = hub.replication.books.holders.cloud.get(Stream.SALES, 0)
    return Reply(points.exposure(hub.db.read, held=held, replica=hub.replica.local_id))


async def get_export(call: Call) -> Reply:
    """GET /v1/members/{member_id}/export"""
    return Reply(erasure.export(call.hub.db.read, _id(call)))


async def post_erasure(call: Call) -> Reply:
    """POST /v1/members/{member_id}/erasure"""
    hub, member_id = call.hub, _id(call)

    def announce(erased: Erased) -> None:
        if not erased.repeated:
            _announce(call, erased.ids[0], "erased")

    job = erasure.erase_job(hub.member_work(call.actor), member_id, remember=hub.erasures.add)
    erased = await hub.db.write(job, then=announce)
    await list_erased(hub.db, hub.erasures)
    return Reply(ErasedAnswer(erased.ids, await hub.db.empty_log()), 200 if erased.repeated else 201)


async def _write(call: Call, job: Job, what: str) -> Reply:
    def announce(written: Written) -> None:
        if written.status == "created":
            _announce(call, written.member_id, what)

    written = await call.hub.db.write(job, then=announce)
    view = _view(call, written.member_id)
    return Reply(MemberAnswer(view, warnings=written.warnings), 201 if written.status == "created" else 200)


async def _search(call: Call) -> Reply:
    if not _is_manager(call):
        raise RefusedError("forbidden", "a till looks one identity up; a manager searches by name")
    query, hub = call.query, call.hub
    find = partial(member_words.search, query=query.q, after=query.after, limit=query.limit + 1)
    found = await hub.db.look(find)
    found, behind = cut(found, query.limit, name=lambda each: each.cursor)
    views = [person(hub.db.read, each, hub.shop.members) for each, _ in found]
    page = _page(call, list({view.member_id: view for view in views if view is not None}.values()))
    return Reply(MemberPage(page.items, behind))


def _page(call: Call, views: list[PersonView]) -> MemberPage:
    return MemberPage([_shown(call, view) for view in views])


def _view(call: Call, member_id: str) -> PersonView:
    view = person(call.hub.db.read, member_id, call.hub.shop.members)
    if view is not None:
        return _shown(call, view)
    if is_erased(call.hub.db.read, member_id):
        raise NotFoundError("member_erased", f"member {member_id} was erased")
    raise NotFoundError("member", f"no member {member_id!r}")


def _is_manager(call: Call) -> bool:
    return call.person is not None and is_at_least(call.person.role, "manager")


def _shown(call: Call, view: PersonView) -> PersonView:
    return view if _is_manager(call) else masked(view)


def _announce(call: Call, member_id: str, what: str) -> None:
    """Ids only: an event stays in the ring."""
    call.hub.bus.publish("member", {"member_id": member_id, "what": what}, now_ms=call.hub.now_ms())


def _id(call: Call) -> str:
    return call.path["member_id"]


def _post(path: str, handle: Handle, summary: str, body: type[Struct], *, duty: str = SERVE) -> Route:
    return Route(
        "POST",
        path,
        handle,
        summary,
        STAFF,
        MemberAnswer,
        duty=duty,
        body=body,
        status=201,
        statuses=(200,),
        problems=(403, 404, 409, 422, 503),
    )


ROUTES = (
    Route(
        "GET",
        "/v1/members",
        list_members,
        "Find members",
        STAFF,
        MemberPage,
        query=MemberQuery,
        duty=SERVE,
        problems=(403, 422, 503),
    ),
    _post("/v1/members", post_member, "Enrol a member", EnrolmentRequest),
    Route(
        "GET", "/v1/members/{member_id}", get_member, "One person", STAFF, PersonView, problems=(403, 404), duty=SERVE
    ),
    _post("/v1/members/{member_id}/edits", post_edit, "Change what a member has told", MemberEdit),
    _post("/v1/members/{member_id}/links", post_link, "Join two members", Join),
    _post("/v1/members/{member_id}/unlinks", post_unlink, "Take a link back", Unjoin, duty=MANAGE),
    _post("/v1/members/{member_id}/consents", post_consent, "Write down a yes or a no", Consent),
    _post("/v1/members/{member_id}/tier", post_tier, "Give a tier, in a shop without a cloud", TierGiven, duty=MANAGE),
    Route(
        "POST",
        "/v1/members/{member_id}/points",
        post_points,
        "Correct a balance",
        STAFF,
        Balance,
        body=Adjustment,
        duty=MANAGE,
        status=201,
        statuses=(200,),
        problems=(403, 404, 409, 422, 503),
    ),
    Route(
        "GET",
        "/v1/members/{member_id}/export",
        get_export,
        "All that is held of a person",
        STAFF,
        Export,
        duty=MANAGE,
        problems=(403, 404),
    ),
    Route(
        "POST",
        "/v1/members/{member_id}/erasure",
        post_erasure,
        "Forget a person",
        STAFF,
        ErasedAnswer,
        body=Erasure,
        duty=MANAGE,
        status=201,
        statuses=(200,),
        problems=(403, 404, 409, 422, 503),
    ),
    Route(
        "GET",
        "/v1/points/exposure",
        get_exposure,
        "Points burned without the cloud's word",
        STAFF,
        Exposure,
        duty=MANAGE,
        problems=(403,),
    ),
)
