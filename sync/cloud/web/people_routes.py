"""What head office and a web shop do with people.

POST   /cloud/v1/members                         a customer of the web: enrolled, or brought to what is said          (office)
GET    /cloud/v1/members?phone=|email=|…         who is known by an identity
GET    /cloud/v1/members/{id}                    a person from all sides
GET    /cloud/v1/members/{id}/export             all rows that are held;  POST …/erasure  all of them gone, everywhere
POST   /cloud/v1/members/{id}/consents           a yes or a no, under its id
POST   /cloud/v1/members/{id}/links, …/unlinks   two members are one person, or are not
POST   /cloud/v1/members/{id}/tags {tag}         a tag by hand;  DELETE /cloud/v1/members/{id}/tags/{tag}
POST   /cloud/v1/purchases, /cloud/v1/purchases/returns      what a channel has sold, what came back
GET    /cloud/v1/joins                           who may be one person;  POST /cloud/v1/joins  one is decided
"""

from collections.abc import Callable
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Meta, Struct

from sync.cloud.persons.erasure import erase, export
from sync.cloud.persons.joining import Contact, Customer, find, take_customer
from sync.cloud.persons.links import decide, join, open_cases, say, unjoin
from sync.cloud.persons.orders import ChannelPurchase, ChannelReturn, book_purchase, book_return
from sync.cloud.persons.people import links_of, person_ids, person_of
from sync.cloud.persons.registers import masked, shown_of
from sync.cloud.persons.tags import tag, untag
from sync.cloud.persons.view import view_of
from sync.cloud.persons.work import look_at_all
from sync.cloud.web.http import CLOUD, AnswerError, answer, office, read_body, read_query
from sync.errors import RuleError
from sync.retail.people.consents import Choice, Purpose
from sync.retail.selling.sales import Id, ShortText

CASES_MAX = 500
STATUS_OF = {"other_content": 409, "join_decided": 409, "no_region": 409, "member_erased": 409, "clock_range": 503}
Tag = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f/]+\Z")]
Kind = Literal["phone", "email", "card", "line_id"]
T = TypeVar("T")


class FindQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """One identity: `phone`, `email`, `card`, `line_id`, or `of` and `value` for another kind."""

    phone: Contact = ""
    email: Contact = ""
    card: Contact = ""
    line_id: Contact = ""
    of: Contact = ""
    value: Contact = ""


class ConsentRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A word."""

    consent_id: Id
    purpose: Purpose
    choice: Choice
    how: ShortText = ""


class LinkRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Another member that is the same person."""

    link_id: Id
    other: Id
    evidence: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+\Z")] = "by hand"


class UnlinkRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A link that was none."""

    undo_id: Id
    link_id: Id
    reason: ShortText = ""


class TagRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A tag."""

    tag: Tag


class DecideRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person has decided of two members."""

    member_id: Id
    other: Id
    decision: Literal["join", "apart"]


_customer = msgspec.json.Decoder(Customer)
_consent = msgspec.json.Decoder(ConsentRequest)
_link = msgspec.json.Decoder(LinkRequest)
_unlink = msgspec.json.Decoder(UnlinkRequest)
_tag = msgspec.json.Decoder(TagRequest)
_decision = msgspec.json.Decoder(DecideRequest)
_purchase = msgspec.json.Decoder(ChannelPurchase)
_return = msgspec.json.Decoder(ChannelReturn)


async def post_member(request: web.Request) -> web.StreamResponse:
    """Enrol a customer, or bring the member to what is said."""
    said, cloud = await read_body(request, _customer), request.app[CLOUD]
    if said.store and said.store not in cloud.config.stores:
        known = ", ".join(cloud.config.stores)
        raise AnswerError(404, "store", f"no store {said.store[:80]!r}; known: {known}", pointer="/store")
    own, rules, now_ms = cloud.books.replica, cloud.config.members, cloud.books.now_ms()
    taken = await _write(request, lambda tx: take_customer(tx, own, rules, said, now_ms=now_ms))
    return answer(taken, status=201 if taken.is_new else 200)


async def find_members(request: web.Request) -> web.StreamResponse:
    """Who is known by an identity; masked, the id leads to the rest."""
    query, cloud = read_query(request, FindQuery), request.app[CLOUD]
    asked = [(kind, text) for kind in Kind.__args__ if (text := getattr(query, kind))]  # type: ignore[attr-defined]
    if query.of:
        asked.append((query.of, query.value))
    if len(asked) != 1:
        raise AnswerError(422, "invalid_field", "ask for one identity: phone, email, card, line_id, or of and value")
    await look_at_all(cloud.books)
    read = cloud.books.db.read
    try:
        found = find(read, cloud.config.members, *asked[0])
    except RuleError as err:
        raise AnswerError(422, err.code, err.detail, pointer=err.pointer) from err
    return answer({"items": [{"member_id": each} | masked(_shown(read, each)) for each in found]})


async def get_member(request: web.Request) -> web.StreamResponse:
    """A person from all sides."""
    cloud, member_id = request.app[CLOUD], request.match_info["member_id"]
    await look_at_all(cloud.books)
    view = view_of(cloud.books.db.read, member_id, hard=cloud.config.members.hard)
    if view is None:
        raise _nobody(member_id)
    return answer(view)


async def get_export(request: web.Request) -> web.StreamResponse:
    """All rows that are held of a person."""
    cloud, member_id = request.app[CLOUD], request.match_info["member_id"]
    await look_at_all(cloud.books)
    told = export(cloud.books.db.read, member_id)
    if told is None:
        raise _nobody(member_id)
    return answer(told)


async def post_erasure(request: web.Request) -> web.StreamResponse:
    """Forget a person here and in every shop; the same again is the same."""
    cloud, member_id = request.app[CLOUD], request.match_info["member_id"]
    await look_at_all(cloud.books)
    own, now_ms = cloud.books.replica, cloud.books.now_ms()
    done = await _write(request, lambda tx: erase(tx, own, member_id, now_ms=now_ms))
    if done is None:
        raise _nobody(member_id)
    is_overwritten = await cloud.books.db.empty_log()
    return answer({"ids": done[0], "is_overwritten": is_overwritten}, status=201 if done[1] else 200)


async def post_consent(request: web.Request) -> web.StreamResponse:
    """Write a word down."""
    said, member_id = await read_body(request, _consent), await _known(request)
    own, now_ms = request.app[CLOUD].books.replica, request.app[CLOUD].books.now_ms()
    is_new = await _write(
        request,
        lambda tx: say(tx, own, member_id, said.consent_id, said.purpose, said.choice, how=said.how, now_ms=now_ms),
    )
    return answer({"member_id": member_id, "consent_id": said.consent_id}, status=201 if is_new else 200)


async def post_link(request: web.Request) -> web.StreamResponse:
    """Join two members."""
    said, member_id = await read_body(request, _link), await _known(request)
    cloud = request.app[CLOUD]
    if shown_of(cloud.books.db.read, [said.other]) is None:
        raise _nobody(said.other)
    own, now_ms = cloud.books.replica, cloud.books.now_ms()
    is_new = await _write(
        request, lambda tx: join(tx, own, member_id, said.other, said.link_id, said.evidence, now_ms=now_ms)
    )
    return answer({"person_id": person_of(cloud.books.db.read, member_id)}, status=201 if is_new else 200)


async def post_unlink(request: web.Request) -> web.StreamResponse:
    """Take a link back; the two are not joined again by themselves."""
    said, member_id = await read_body(request, _unlink), await _known(request)
    books = request.app[CLOUD].books
    own, now_ms = books.replica, books.now_ms()

    def job(tx: Connection) -> bool | None:
        row = tx.execute("SELECT a, b FROM person_link WHERE link_id = ?", (said.link_id,)).fetchone()
        if row is None or member_id not in (row[0], row[1], *person_ids(tx, row[0]), *person_ids(tx, row[1])):
            return None
        return unjoin(tx, own, (row[0], row[1]), said.link_id, said.undo_id, said.reason, now_ms=now_ms)

    is_new = await _write(request, job)
    if is_new is None:
        links = ", ".join(link for link, *_ in links_of(books.db.read, person_ids(books.db.read, member_id)))
        raise AnswerError(404, "link", f"{member_id} has no link {said.link_id!r}; links: {links}", pointer="/link_id")
    return answer({"person_id": person_of(books.db.read, member_id)}, status=201 if is_new else 200)


async def post_tag(request: web.Request) -> web.StreamResponse:
    """Give a tag."""
    said, member_id = await read_body(request, _tag), await _known(request)
    now_ms = request.app[CLOUD].books.now_ms()
    is_new = await _write(request, lambda tx: tag(tx, person_of(tx, member_id), said.tag, now_ms=now_ms))
    return answer({"member_id": member_id, "tag": said.tag}, status=201 if is_new else 200)


async def delete_tag(request: web.Request) -> web.StreamResponse:
    """Take a tag away that was given by hand; one that a segment gives goes with its place in the segment."""
    member_id, name = await _known(request), request.match_info["tag"]
    was_there = await _write(request, lambda tx: untag(tx, person_ids(tx, member_id), name))
    if not was_there:
        raise AnswerError(404, "tag", f"{member_id} has no tag {name[:40]!r} that was given by hand")
    return answer({"member_id": member_id, "tag": name})


async def post_purchase(request: web.Request) -> web.StreamResponse:
    """What a channel has sold, and to whom; the same again is the same."""
    said, cloud = await read_body(request, _purchase), request.app[CLOUD]
    own, rules, now_ms = cloud.books.replica, cloud.config.members, cloud.books.now_ms()
    booked = await _write(request, lambda tx: book_purchase(tx, own, rules, said, now_ms=now_ms))
    return answer(booked, status=201 if booked.is_new else 200)


async def post_return(request: web.Request) -> web.StreamResponse:
    """What came back of it."""
    said = await read_body(request, _return)
    is_new = await _write(request, lambda tx: book_return(tx, said))
    return answer({"return_id": said.return_id}, status=201 if is_new else 200)


async def get_joins(request: web.Request) -> web.StreamResponse:
    """Who may be one person and waits for somebody to decide; names and numbers masked."""
    books = request.app[CLOUD].books
    await look_at_all(books)
    read = books.db.read
    items = [
        {
            "member_id": member,
            "other": other,
            "why": why,
            "since": datetime.fromtimestamp(opened_ms / 1000, UTC),
            "members": [masked(_shown(read, each)) for each in (member, other)],
        }
        for member, other, why, opened_ms in open_cases(read, limit=CASES_MAX)
    ]
    return answer({"items": items})


async def post_join(request: web.Request) -> web.StreamResponse:
    """Decide a case."""
    said, books = await read_body(request, _decision), request.app[CLOUD].books
    own, now_ms = books.replica, books.now_ms()
    are_one = said.decision == "join"
    state = await _write(
        request, lambda tx: decide(tx, own, said.member_id, said.other, are_one=are_one, now_ms=now_ms)
    )
    if state is None:
        raise AnswerError(404, "join", f"no case of {said.member_id} and {said.other}; see GET /cloud/v1/joins")
    return answer({"state": state, "person_id": person_of(books.db.read, said.member_id)})


def people_routes() -> list[RouteDef]:
    """Return the routes."""
    member = "/cloud/v1/members/{member_id}"
    return [
        web.post("/cloud/v1/members", office(post_member)),
        web.get("/cloud/v1/members", office(find_members)),
        web.get(member, office(get_member)),
        web.get(f"{member}/export", office(get_export)),
        web.post(f"{member}/erasure", office(post_erasure)),
        web.post(f"{member}/consents", office(post_consent)),
        web.post(f"{member}/links", office(post_link)),
        web.post(f"{member}/unlinks", office(post_unlink)),
        web.post(f"{member}/tags", office(post_tag)),
        web.delete(f"{member}/tags/{{tag}}", office(delete_tag)),
        web.post("/cloud/v1/purchases", office(post_purchase)),
        web.post("/cloud/v1/purchases/returns", office(post_return)),
        web.get("/cloud/v1/joins", office(get_joins)),
        web.post("/cloud/v1/joins", office(post_join)),
    ]


async def _write(request: web.Request, job: Callable[[Connection], T]) -> T:
    """Run a job after what has arrived was looked at, and tell the stores; a rule's refusal is the answer."""
    books = request.app[CLOUD].books
    await look_at_all(books)
    try:
        return await books.db.write(job, then=lambda _: books.on_grown())
    except RuleError as err:
        raise AnswerError(STATUS_OF.get(err.code, 422), err.code, err.detail, pointer=err.pointer) from err


async def _known(request: web.Request) -> str:
    """Return the member of the path; 404 for one that nobody knows."""
    books, member_id = request.app[CLOUD].books, request.match_info["member_id"]
    await look_at_all(books)
    if shown_of(books.db.read, person_ids(books.db.read, member_id)) is None:
        raise _nobody(member_id)
    return member_id


def _shown(read: Connection, member_id: str) -> dict[str, Any]:
    return shown_of(read, person_ids(read, member_id)) or {}


def _nobody(member_id: str) -> AnswerError:
    return AnswerError(404, "member", f"no member {member_id[:64]!r}")
