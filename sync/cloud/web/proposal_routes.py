"""Transfers that the cloud proposes, for head office. Office tokens.

GET  /cloud/v1/transfers/proposals?state=&after=          what is proposed, accepted, sent, dismissed, withdrawn, refused
POST /cloud/v1/transfers/proposals                        propose anew now, not tomorrow
POST /cloud/v1/transfers/proposals/{id}/accept            {lines, until, note}: whole, or other lines of it; a shop is asked
POST /cloud/v1/transfers/proposals/{id}/withdraw          the shop is asked no more
POST /cloud/v1/transfers/proposals/{id}/dismiss
"""

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Meta, Struct

from sync.cloud.allocation.proposal_rows import Proposal, proposals_of
from sync.cloud.allocation.proposals import LINES_MAX, Asked
from sync.cloud.allocation.requests import branch_of
from sync.cloud.web.http import CLOUD, AnswerError, answer, office, read_body, read_query
from sync.errors import RuleError
from sync.retail.orders.order_rows import Qty
from sync.retail.selling.sales import Moment, ShortText, Sku
from sync.retail.stock.transfers import TransferLine

PAGE_MAX = 200
UNTIL_MAX = timedelta(days=366)


class ProposalQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Proposals of a state, behind one."""

    state: Literal["", "proposed", "accepted", "sent", "dismissed", "withdrawn", "refused"] = ""
    after: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 50


class ProposalPage(Struct, frozen=True):
    """Proposals by name; `next` is empty on the last page."""

    items: list[dict[str, Any]]  # Any: JSON
    next: str


class AcceptLine(Struct, frozen=True, forbid_unknown_fields=True):
    """So much of a SKU."""

    sku: Sku
    qty: Qty


class AcceptRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Other lines than were proposed; left out, all of it. `until`: by when a shop should send them; `note`: a word to it."""

    lines: Annotated[tuple[AcceptLine, ...], Meta(min_length=1, max_length=LINES_MAX)] | None = None
    until: Moment | None = None
    note: ShortText = ""


_accept = msgspec.json.Decoder(AcceptRequest)


async def get_proposals(request: web.Request) -> web.StreamResponse:
    """What should go where."""
    query = read_query(request, ProposalQuery)
    found = proposals_of(request.app[CLOUD].books.db.read, state=query.state, after=query.after, limit=query.limit)
    behind = found[-1].proposal_id if len(found) == query.limit else ""
    return answer(ProposalPage([_view(request, each) for each in found], behind))


async def post_proposals(request: web.Request) -> web.StreamResponse:
    """Propose anew."""
    await request.app[CLOUD].allocator.propose()
    found = proposals_of(request.app[CLOUD].books.db.read, state="proposed", limit=PAGE_MAX)
    return answer(
        ProposalPage([_view(request, each) for each in found], found[-1].proposal_id if len(found) == PAGE_MAX else "")
    )


async def post_accept(request: web.Request) -> web.StreamResponse:
    """Head office wants it so."""
    said = await read_body(request, _accept)
    lines = None if said.lines is None else tuple(TransferLine(line.sku, line.qty) for line in said.lines)
    asked = Asked(lines, _until_ms(request, said.until), said.note)
    return await _decided(request, request.app[CLOUD].allocator.accept(request.match_info["proposal_id"], asked))


async def post_withdraw(request: web.Request) -> web.StreamResponse:
    """Head office does not want it any more."""
    return await _decided(request, request.app[CLOUD].allocator.withdraw(request.match_info["proposal_id"]))


async def post_dismiss(request: web.Request) -> web.StreamResponse:
    """Head office does not want it."""
    return await _decided(request, request.app[CLOUD].allocator.dismiss(request.match_info["proposal_id"]))


def proposal_routes() -> list[RouteDef]:
    """Return the routes."""
    return [
        web.get("/cloud/v1/transfers/proposals", office(get_proposals)),
        web.post("/cloud/v1/transfers/proposals", office(post_proposals)),
        web.post("/cloud/v1/transfers/proposals/{proposal_id}/accept", office(post_accept)),
        web.post("/cloud/v1/transfers/proposals/{proposal_id}/withdraw", office(post_withdraw)),
        web.post("/cloud/v1/transfers/proposals/{proposal_id}/dismiss", office(post_dismiss)),
    ]


async def _decided(request: web.Request, deciding: Awaitable[Proposal | None]) -> web.StreamResponse:
    """Answer how a proposal stands once head office has said its word on it."""
    try:
        found = await deciding
    except RuleError as err:
        raise AnswerError(409, err.code, err.detail, pointer=err.pointer) from err
    if found is None:
        raise AnswerError(404, "proposal", f"no proposal {request.match_info['proposal_id'][:64]!r}")
    return answer(_view(request, found))


def _until_ms(request: web.Request, until: datetime | None) -> int:
    if until is None:
        return 0
    now = datetime.fromtimestamp(request.app[CLOUD].books.now_ms() / 1000, UTC)
    if not now < until < now + UNTIL_MAX:
        raise AnswerError(422, "until", f"{until.isoformat()} is over, or more than a year away", pointer="/until")
    return int(until.timestamp() * 1000)


def _view(request: web.Request, each: Proposal) -> dict[str, Any]:  # Any: JSON
    """Return a proposal; of one that a shop has to send, what it is asked to book (POST /v1/stock/documents)."""
    lines = [{"sku": line.sku, "qty": line.qty} for line in each.lines]
    view: dict[str, Any] = {
        "proposal_id": each.proposal_id,
        "sender": each.sender,
        "receiver": each.receiver,
        "state": each.state,
        "transfer_id": each.transfer_id,
        "lines": lines,
        "asked_at": _moment(each.asked_ms),
        "until": _moment(each.until_ms),
        "note": each.note,
        "refused": None,
        "document": None,
    }
    if each.refused is not None:
        said = each.refused
        view["refused"] = {"reason": said.reason, "note": said.note, "by": said.by, "at": said.refused_at}
    if each.state == "accepted":
        to = branch_of(request.app[CLOUD].allocator.settings, each.receiver)
        view["document"] = {"document_id": each.proposal_id, "kind": "transfer_out", "to": to, "lines": lines}
    return view


def _moment(ms: int) -> datetime | None:
    return datetime.fromtimestamp(ms / 1000, UTC) if ms else None
