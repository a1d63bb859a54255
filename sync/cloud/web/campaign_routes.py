"""Coupons and messages for a segment, by HTTP.

POST /cloud/v1/coupon-issues {issue_id, segment, batch_id, budget_minor?}   one serial for each person        (office)
GET  /cloud/v1/coupon-issues/{issue_id}                  how far it has come
POST /cloud/v1/campaigns {campaign_id, segment, sender, texts, purpose?, issue_id?}     a message for each person
GET  /cloud/v1/campaigns/{campaign_id}                   messages by state
GET  /cloud/v1/campaigns/{campaign_id}/messages?state=   the ledger, by person
POST /cloud/v1/campaigns/{campaign_id}/state {state}     stopped, or running again
POST /cloud/v1/campaigns/{campaign_id}/messages/{person} {decision}   what became of one that is unknown: sent, failed, again
GET  /cloud/v1/senders/{name}/quota                      what the service says is left of the month
"""

from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Any, Literal

import msgspec
from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Struct

from sync.cloud.campaigns.campaigns import Campaign, begin_campaign, campaign_of, switch
from sync.cloud.campaigns.issues import Issue, begin_issue, issue_of
from sync.cloud.campaigns.ledger import Decision, decide_unknown, messages_of
from sync.cloud.talk.outgoing import speaking
from sync.cloud.web.http import CLOUD, AnswerError, answer, office, read_body, read_query
from sync.cloud.web.pages import PageQuery, answer_page
from sync.errors import RuleError
from sync.json_errors import NOT_JSON

STATUS_OF = {"other_content": 409, "coupon_granted": 409, "segment": 404, "coupon_batch": 404}


class StateRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a campaign goes on."""

    state: Literal["stopped", "running"]


class DecisionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a message; `again`: it is sent once more, whatever became of it."""

    decision: Decision


class MessagesQuery(PageQuery, frozen=True, forbid_unknown_fields=True):
    """Messages behind a person, of one state or any."""

    state: Literal["", "queued", "claimed", "sent", "failed", "refused", "unknown"] = ""


_issue = msgspec.json.Decoder(Issue)
_campaign = msgspec.json.Decoder(Campaign)
_state = msgspec.json.Decoder(StateRequest)
_decision = msgspec.json.Decoder(DecisionRequest)


async def post_issue(request: web.Request) -> web.StreamResponse:
    """Begin an issue; the same again shows how far it has come."""
    wanted, cloud = await read_body(request, _issue), request.app[CLOUD]
    now_ms = cloud.books.now_ms()
    is_new = await _write(request, lambda tx: begin_issue(tx, wanted, now_ms=now_ms))
    return answer(_issue_view(cloud.books.db.read, wanted.issue_id), status=201 if is_new else 200)


async def get_issue(request: web.Request) -> web.StreamResponse:
    """How far an issue has come."""
    return answer(_issue_view(request.app[CLOUD].books.db.read, request.match_info["issue_id"]))


async def post_campaign(request: web.Request) -> web.StreamResponse:
    """Begin a campaign; the same again shows how far it has come."""
    wanted, cloud = await read_body(request, _campaign), request.app[CLOUD]
    now_ms, senders = cloud.books.now_ms(), cloud.campaigns.lines
    is_new = await _write(request, lambda tx: begin_campaign(tx, wanted, senders, now_ms=now_ms))
    return answer(_campaign_view(cloud.books.db.read, wanted.campaign_id), status=201 if is_new else 200)


async def get_campaign(request: web.Request) -> web.StreamResponse:
    """How far a campaign has come."""
    return answer(_campaign_view(request.app[CLOUD].books.db.read, request.match_info["campaign_id"]))


async def post_state(request: web.Request) -> web.StreamResponse:
    """Stop a campaign, or let it go on."""
    wanted, campaign_id = await read_body(request, _state), request.match_info["campaign_id"]
    state = await _write(request, lambda tx: switch(tx, campaign_id, wanted.state))
    if state is None:
        raise _no_campaign(campaign_id)
    return answer({"campaign_id": campaign_id, "state": state})


async def get_messages(request: web.Request) -> web.StreamResponse:
    """A page of the ledger."""
    query, campaign_id = read_query(request, MessagesQuery), request.match_info["campaign_id"]
    read = request.app[CLOUD].books.db.read
    _campaign_view(read, campaign_id)
    rows = messages_of(read, campaign_id, state=query.state, after=query.after, limit=query.limit)
    items = [
        {
            "member_id": person,
            "state": state,
            "why": why,
            "attempts": attempts,
            "changed_at": datetime.fromtimestamp(changed_ms / 1000, UTC),
            "request_id": request_id,
        }
        for person, state, why, attempts, changed_ms, request_id in rows
    ]
    return answer_page(items, [person for person, *_ in rows], query)


async def post_decision(request: web.Request) -> web.StreamResponse:
    """Say what became of a message of which nobody knows."""
    wanted, person = await read_body(request, _decision), request.match_info["person"]
    campaign_id, now_ms = request.match_info["campaign_id"], request.app[CLOUD].books.now_ms()
    done = await _write(request, lambda tx: decide_unknown(tx, campaign_id, person, wanted.decision, now_ms=now_ms))
    if done is None:
        raise AnswerError(404, "message", f"{campaign_id[:64]!r} has no unknown message to {person[:64]!r}")
    return answer({"member_id": person, "decision": wanted.decision}, status=201 if done else 200)


async def get_quota(request: web.Request) -> web.StreamResponse:
    """Ask a service what is left of the month; an empty list where it cannot be asked."""
    name = request.match_info["name"]
    line = request.app[CLOUD].campaigns.lines.get(name)
    if line is None:
        known = ", ".join(request.app[CLOUD].campaigns.lines) or "none"
        raise AnswerError(404, "sender", f"no sender {name[:40]!r}; known: {known}")
    said: list[Any] = []
    async with speaking() as speak:
        for call in line.sender.quota_calls():
            reply = await speak(call)
            try:
                said.append(msgspec.json.decode(reply.body) if reply.status == 200 else None)
            except NOT_JSON:
                said.append(None)
    if None in said:
        raise AnswerError(502, "sender_silent", f"{name}: no answer that can be read")
    return answer({"sender": name, "said": said})


def campaign_routes() -> list[RouteDef]:
    """Return the routes."""
    one = "/cloud/v1/campaigns/{campaign_id}"
    return [
        web.post("/cloud/v1/coupon-issues", office(post_issue)),
        web.get("/cloud/v1/coupon-issues/{issue_id}", office(get_issue)),
        web.post("/cloud/v1/campaigns", office(post_campaign)),
        web.get(one, office(get_campaign)),
        web.post(f"{one}/state", office(post_state)),
        web.get(f"{one}/messages", office(get_messages)),
        web.post(f"{one}/messages/{{person}}", office(post_decision)),
        web.get("/cloud/v1/senders/{name}/quota", office(get_quota)),
    ]


async def _write(request: web.Request, job: Any) -> Any:
    """Run a job and wake who sends; a rule's refusal is the answer. Any: what the job returns."""
    cloud = request.app[CLOUD]
    try:
        return await cloud.books.db.write(job, then=lambda _: cloud.campaigns.wake())
    except RuleError as err:
        raise AnswerError(STATUS_OF.get(err.code, 422), err.code, err.detail, pointer=err.pointer) from err


def _issue_view(read: Connection, issue_id: str) -> Struct:
    view = issue_of(read, issue_id)
    if view is None:
        raise AnswerError(404, "issue", f"no issue {issue_id[:64]!r}")
    return view


def _campaign_view(read: Connection, campaign_id: str) -> Struct:
    view = campaign_of(read, campaign_id)
    if view is None:
        raise _no_campaign(campaign_id)
    return view


def _no_campaign(campaign_id: str) -> AnswerError:
    return AnswerError(404, "campaign", f"no campaign {campaign_id[:64]!r}")
