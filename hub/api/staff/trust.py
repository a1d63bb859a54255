"""How a tablet comes to trust the store's CA: a page in both languages, the certificate in two forms. Open to everybody.

GET /pair               the page: trust, then pair; it lies among the console's files
GET /pair.json          what it shows: the store, the CA's name and fingerprint, where to go on
GET /ca.crt             the certificate (DER): Android, Windows, Linux, a hub that follows this one
GET /ca.mobileconfig    the same as a profile: iPadOS, macOS

`doorstep_application` is all that plain HTTP from the network gets; anything else is answered with the remedy. The one exception
is a device whose section says `plain_http = true`: who listens on the network reads its token then, and can speak as that device,
as no other client and of nothing else. It is for what cannot be told our CA; put it on a network of its own.
Not here: the certificate (hub.tls), pairing itself (hub.api.staff.pairing).
"""

import logging

import msgspec
from aiohttp import web
from msgspec import Struct

from hub.api import service
from hub.api.attached import device_wire
from hub.api.guard import LANES, LIMITS, guard
from hub.api.lanes import Lanes
from hub.api.problems import problem
from hub.api.routing import BODY_MAX, RUNTIME, endpoint, translate_errors
from hub.limits import Limits
from hub.pairing_link import secure_url, spelled
from hub.runtime import Runtime
from hub.tls.files import Authority
from hub.tls.profile import CONTENT_TYPE, configuration_profile
from sync.retail.names import Name

_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

_WIRES = {route.method: endpoint(route) for route in device_wire.ROUTES}

log = logging.getLogger(__name__)


class AuthorityTold(Struct, frozen=True):
    """The store's CA, its fingerprint as tablets spell it."""

    name: str
    sha256: str


class PairFacts(Struct, frozen=True):
    """What the page shows. `authority` is None where the hub serves this machine only, or waits for the store's CA."""

    store: Name
    store_id: str
    is_on_lan: bool
    authority: AuthorityTold | None


async def get_facts(request: web.Request) -> web.StreamResponse:
    """GET /pair.json"""
    hub = request.app[RUNTIME]
    authority = hub.tls.authority if hub.tls else None
    told = AuthorityTold(authority.name, spelled(authority.sha256)) if authority else None
    facts = PairFacts(hub.shop.name, hub.shop.store_id, hub.tls is not None, told)
    # a page of plain HTTP asks this of https: it is answered only to a tablet that trusts the CA
    return web.Response(body=msgspec.json.encode(facts), content_type="application/json", headers=_HEADERS)


async def get_certificate(request: web.Request) -> web.StreamResponse:
    """GET /ca.crt"""
    authority = _authority(request)
    if authority is None:
        return problem(404, "no_authority")
    name = f"{request.app[RUNTIME].shop.store_id}-store-ca.crt"
    headers = _HEADERS | {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=authority.der, content_type="application/x-x509-ca-cert", headers=headers)


async def get_profile(request: web.Request) -> web.StreamResponse:
    """GET /ca.mobileconfig"""
    authority = _authority(request)
    if authority is None:
        return problem(404, "no_authority")
    name = request.app[RUNTIME].shop.name
    profile = configuration_profile(authority, organization=" ".join(filter(None, (name.zh_hant, name.en))))
    return web.Response(
        body=profile, content_type=CONTENT_TYPE, headers=_HEADERS
    )  # shown, not saved: Safari asks to install it


async def to_the_page(_: web.Request) -> web.StreamResponse:
    """GET / by plain HTTP: what a person types who knows the address only."""
    return web.Response(status=302, headers={"Location": "/pair"})


async def plain_wire(request: web.Request) -> web.StreamResponse:
    """A device that speaks without TLS, where its section allows that."""
    hub, device_id = request.app[RUNTIME], request.match_info["device_id"]
    allows = {spec.device_id for spec in hub.config.devices if getattr(spec.options, "plain_http", False)}
    handle = _WIRES.get(request.method) if device_id in allows else None
    return await (handle(request) if handle else refuse_plain(request))


async def refuse_plain(request: web.Request) -> web.StreamResponse:
    """Whatever else is asked without TLS, from beyond this machine."""
    response = problem(426, "tls_required", f"use {secure_url(request.app[RUNTIME])}")
    response.headers["Upgrade"] = "TLS/1.2, HTTP/1.1"
    response.force_close()
    return response


def add_routes(app: web.Application) -> None:
    """Add the page and its files."""
    app.router.add_get("/pair", service.console_file)
    app.router.add_get("/pair.json", get_facts)
    app.router.add_get("/ca.crt", get_certificate)
    app.router.add_get("/ca.mobileconfig", get_profile)


def doorstep_application(hub: Runtime, limits: Limits) -> web.Application:
    """Return what plain HTTP from the network gets."""
    app = web.Application(middlewares=[guard, translate_errors], client_max_size=BODY_MAX)
    app[RUNTIME] = hub
    app[LIMITS] = limits
    app[LANES] = Lanes()
    add_routes(app)
    app.router.add_get("/", to_the_page)
    app.router.add_get("/console/{name}", service.console_file)
    app.router.add_route("*", device_wire.PATH, plain_wire)
    app.router.add_route("*", "/{rest:.*}", refuse_plain)
    return app


def _authority(request: web.Request) -> Authority | None:
    tls = request.app[RUNTIME].tls
    return tls.authority if tls else None
