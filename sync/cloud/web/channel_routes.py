"""Channels over HTTP: webhooks in, and what head office does about what they said.

POST /cloud/v1/channels/{channel}/webhook                     (open: the signature is the key)
GET  /cloud/v1/channels                                       GET  …/{channel}/orders            (office)
GET  …/{channel}/orders/{channel_order_id}                    GET  …/{channel}/exceptions        (office)
POST …/{channel}/skus {item, sku}                             POST …/{channel}/reconcile         (office)
POST …/{channel}/exceptions/replay {subject}                  POST …/dismiss {subject, reason}   (office)
POST …/{channel}/files?dry_run=true, multipart: file, mapping                                    (office)

A signed webhook is answered 200 whatever it says: what cannot be read is kept for a person, and a shop that is answered with an
error would send it again and then no more. 401 for a wrong signature; 503 where nothing can be written: the shop sends it again.
"""

from sqlite3 import Connection
from typing import Annotated, Literal

import msgspec
from aiohttp import BodyPartReader, web
from aiohttp.web_routedef import RouteDef
from msgspec import Meta, Struct

from sync.cloud.channels import exceptions, views
from sync.cloud.channels.channels import Channels
from sync.cloud.channels.files.grids import FILE_BYTES_MAX, read_grid
from sync.cloud.channels.files.mapping import Mapping, parse_mapping
from sync.cloud.channels.files.orders import plan
from sync.cloud.channels.files.report import report
from sync.cloud.channels.kinds import SHOPS
from sync.cloud.channels.said import ChannelError
from sync.cloud.channels.settings import Channel
from sync.cloud.channels.skus import assigned, sku_of
from sync.cloud.web.http import CLOUD, AnswerError, answer, office, read_body, read_query, texts
from sync.errors import ConfigError, RuleError
from sync.retail.selling.sales import ShortText, Sku
from sync.retail.staff.trail import masked

Subject = Annotated[str, Meta(min_length=1, max_length=300)]
MAPPING_BYTES_MAX = 100_000


class PageQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """A page behind `after`."""

    after: Annotated[str, Meta(max_length=300)] = ""
    limit: Annotated[int, Meta(ge=1, le=exceptions.PAGE_MAX)] = 50


class ExceptionQuery(PageQuery, frozen=True, forbid_unknown_fields=True):
    """Lines of a state."""

    state: Literal["open", "solved", "dismissed"] = "open"


class FileQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether anything is written."""

    dry_run: bool = False


class AssignRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a channel's item is."""

    item: Annotated[str, Meta(min_length=1, max_length=300)]
    sku: Sku


class SubjectRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which line; why, where it is dismissed."""

    subject: Subject
    reason: ShortText = ""


class OrderPage(Struct, frozen=True):
    """Orders by the channel's id; `next` is empty on the last page."""

    items: list[views.ChannelOrderView]
    next: str


class ExceptionPage(Struct, frozen=True):
    """Lines by subject."""

    items: list[exceptions.ExceptionView]
    next: str


_assign = msgspec.json.Decoder(AssignRequest)
_subject = msgspec.json.Decoder(SubjectRequest)


async def post_webhook(request: web.Request) -> web.StreamResponse:
    """Take a webhook in."""
    channel = _channel(request)
    if channel.kind not in SHOPS:
        raise AnswerError(404, "channel", f"{channel.name} is a marketplace of files: no webhooks")
    try:
        body = await request.read()
    except (web.RequestPayloadError, ConnectionError) as err:
        request.content.feed_eof()
        raise AnswerError(400, "unreadable", "the body ended early") from err
    result = await _channels(request).deliver(channel, request.headers, body)
    if result is None:
        raise AnswerError(401, "channel_signature", f"channel {channel.name}")
    return answer({"result": result})


async def get_channels(request: web.Request) -> web.StreamResponse:
    """How the channels do."""
    channels, read = _channels(request).all, request.app[CLOUD].books.db.read
    return answer({"items": [views.channel_view(read, each) for each in channels.values()]})


async def get_orders(request: web.Request) -> web.StreamResponse:
    """A page of a channel's orders."""
    channel, query = _channel(request), read_query(request, PageQuery)
    items = views.channel_orders(_read(request), channel.name, after=query.after, limit=query.limit)
    return answer(OrderPage(items, items[-1].channel_order_id if len(items) == query.limit else ""))


async def get_order(request: web.Request) -> web.StreamResponse:
    """One order of a channel, with what was received of it."""
    channel, name = _channel(request), request.match_info["channel_order_id"]
    order = views.channel_order(_read(request), channel.name, name)
    if order is None:
        raise AnswerError(404, "order", f"no order {name[:64]!r} of {channel.name}")
    return answer(order)


async def get_exceptions(request: web.Request) -> web.StreamResponse:
    """A page of what a person must look at."""
    channel, query = _channel(request), read_query(request, ExceptionQuery)
    items = exceptions.list_exceptions(
        _read(request), channel=channel.name, state=query.state, after=query.after, limit=query.limit
    )
    return answer(ExceptionPage(items, items[-1].subject if len(items) == query.limit else ""))


async def get_skus(request: web.Request) -> web.StreamResponse:
    """What was assigned."""
    return answer({"items": assigned(_read(request), _channel(request))})


async def post_sku(request: web.Request) -> web.StreamResponse:
    """Say what an item is, and work off what waits for it."""
    said = await read_body(request, _assign)
    try:
        return answer(await _channels(request).assign(_channel(request), said.item, said.sku))
    except RuleError as err:
        raise AnswerError(422, err.code, err.detail, pointer=err.pointer) from err


async def post_replay(request: web.Request) -> web.StreamResponse:
    """Try a line again."""
    channel, said = _channel(request), await read_body(request, _subject)
    closed = await _channels(request).replay(channel, said.subject)
    if closed is None:
        raise AnswerError(404, "channel_subject", f"nothing to try again for {said.subject[:80]!r}")
    return answer({"subject": said.subject, "closed": closed})


async def post_dismiss(request: web.Request) -> web.StreamResponse:
    """Close a line."""
    channel, said = _channel(request), await read_body(request, _subject)
    if not await _channels(request).dismiss(channel, said.subject, masked(said.reason)):
        raise AnswerError(404, "channel_subject", f"no open line {said.subject[:80]!r}")
    return answer({"subject": said.subject, "closed": True})


async def post_reconcile(request: web.Request) -> web.StreamResponse:
    """Have the shop asked for all it has, now."""
    channel, channels = _channel(request), _channels(request)
    if not channel.url:
        raise AnswerError(409, "channel_url", f"nothing is sent to {channel.name}")
    channels.list_again.add(channel.name)
    channels.wake[channel.name].set()
    return answer({"status": "asked"}, status=202)


async def post_file(request: web.Request) -> web.StreamResponse:
    """Take a marketplace's file in, or say what it would come to."""
    channel, query = _channel(request), read_query(request, FileQuery)
    if channel.kind != "file":
        raise AnswerError(409, "channel_kind", f"{channel.name} is of kind {channel.kind}")
    content, told = await _parts(request)
    try:
        mapping = _mapping(channel, told)
        planned = plan(read_grid(content, sheet=mapping.sheet), mapping, channel)
    except ConfigError as err:
        raise AnswerError(422, "channel_mapping", str(err), pointer="/mapping") from err
    except ChannelError as err:
        raise AnswerError(422, err.code, err.detail, pointer="/file") from err
    read = _read(request)
    lines = (line for each in planned.orders for line in each.order.lines)
    unknown = tuple(dict.fromkeys(line.items[0] for line in lines if sku_of(read, channel, line.items) is None))
    results = None if query.dry_run else await _channels(request).take_file(channel, planned.orders)
    return answer(report(planned, texts(), unknown=unknown, results=results))


def channel_routes() -> list[RouteDef]:
    """Return the routes."""
    at = "/cloud/v1/channels/{channel}"
    return [
        web.post(f"{at}/webhook", post_webhook),
        web.get("/cloud/v1/channels", office(get_channels)),
        web.get(f"{at}/orders", office(get_orders)),
        web.get(f"{at}/orders/{{channel_order_id}}", office(get_order)),
        web.get(f"{at}/exceptions", office(get_exceptions)),
        web.post(f"{at}/exceptions/replay", office(post_replay)),
        web.post(f"{at}/exceptions/dismiss", office(post_dismiss)),
        web.get(f"{at}/skus", office(get_skus)),
        web.post(f"{at}/skus", office(post_sku)),
        web.post(f"{at}/reconcile", office(post_reconcile)),
        web.post(f"{at}/files", office(post_file)),
    ]


async def _parts(request: web.Request) -> tuple[bytes, str]:
    """Return the file and the mapping's text of a form, bounded."""
    content, mapping = b"", ""
    try:
        reader = await request.multipart()
        async for part in reader:
            if not isinstance(part, BodyPartReader):
                raise AnswerError(415, "channel_form", "a part in a part")
            if part.name == "file":
                content = await _part(part, FILE_BYTES_MAX)
            elif part.name == "mapping":
                mapping = (await _part(part, MAPPING_BYTES_MAX)).decode()
    except (ValueError, AssertionError, KeyError) as err:
        raise AnswerError(415, "channel_form", str(err)[:200]) from err
    return content, mapping


async def _part(part: BodyPartReader, bytes_max: int) -> bytes:
    content = bytearray()
    while chunk := await part.read_chunk(256 * 1024):
        content += chunk
        if len(content) > bytes_max:
            raise AnswerError(413, "channel_file", f"{part.name}: more than {bytes_max} bytes")
    return bytes(content)


def _mapping(channel: Channel, told: str) -> Mapping:
    if told:
        return parse_mapping(told)
    if channel.mapping is None:
        raise ConfigError(f"channel {channel.name} has no mapping; send one, or write mapping into its section")
    return channel.mapping


def _read(request: web.Request) -> Connection:
    return request.app[CLOUD].books.db.read


def _channels(request: web.Request) -> Channels:
    return request.app[CLOUD].channels


def _channel(request: web.Request) -> Channel:
    name, known = request.match_info["channel"], request.app[CLOUD].channels.all
    if name not in known:
        raise AnswerError(404, "channel", f"no channel {name[:40]!r}; known: {', '.join(known) or 'none'}")
    return known[name]
