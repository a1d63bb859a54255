"""OpenAPI 3.1 from the route table: the structs that validate are the structs that are described."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hub.api.bulk import NDJSON
from hub.api.problems import Problem
from hub.api.routing import Route
from hub.api.staff.persons import SESSION_HEADER
from hub.duties import DUTIES

_REF = "#/components/schemas/{name}"
_EVERYWHERE = (403, 429, 500)  # a page of elsewhere, too many requests, a mistake of ours
_PARAMETER = re.compile(r"\{(\w+)\}")
_OF_THE_DEVICE: dict[str, Any] = {"*/*": {"schema": {}}}  # bodies of a form that only the device's maker knows
_NO_NUL = r"^[^\u0000]*$"
_SAID = (
    "Events come by WebSocket at /v1/events; every write takes a client-made id and is idempotent. A field or parameter that is "
    "not declared is refused. Lists have pages: `next` goes into `after`, null behind the last one."
)
_SESSION = {
    "name": SESSION_HEADER,
    "in": "header",
    "required": False,
    "description": "who is signed in at this till, as POST /v1/cashiers/sign-in answered; a manager's token needs none",
    "schema": {"type": "string"},
}


def openapi(routes: Sequence[Route], *, version: str) -> dict[str, Any]:
    """Return the OpenAPI document of these routes. Any: JSON."""
    types = {t for route in routes for t in (route.answer, route.body) if t is not None} | {Problem}
    ordered = sorted(types, key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template=_REF)
    schema_of = dict(zip(ordered, schemas, strict=True))
    choices = {ref.rpartition("/")[2] for ref in _choices([schemas, components])}
    components = {name: _as_read(said, is_choice=name in choices) for name, said in components.items()}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "store hub local API",
            "version": version,
            "description": _SAID,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "device": {"type": "http", "scheme": "basic", "description": "a device's id and its token"},
            },
        },
    }


def _as_read(said: dict[str, Any], *, is_choice: bool = True) -> dict[str, Any]:
    """Return a schema as bodies are really read: no text has U+0000, patterns are of ECMA-262, a lone struct needs no tag."""
    found = {name: _in_place(part) for name, part in said.items()}
    if found.get("type") == "string" and not {"enum", "pattern", "format"} & found.keys():
        found["pattern"] = _NO_NUL
    elif "pattern" in found and isinstance(found["pattern"], str):
        found["pattern"] = found["pattern"].replace(r"\Z", "$")
    if found.get("type") == "object" and found.get("additionalProperties") is not False:
        found["propertyNames"] = {"pattern": _NO_NUL}
    if not is_choice and "required" in found:
        tags = {
            name for name, field in found["properties"].items() if field.keys() == {"enum"} and len(field["enum"]) == 1
        }
        found["required"] = [name for name in found["required"] if name not in tags]
    return found


def _choices(part: Any) -> Iterator[str]:
    """Yield what the discriminators of a schema lead to: there the tag has to stand."""
    if isinstance(part, dict):
        yield from part.get("discriminator", {}).get("mapping", {}).values()
        part = list(part.values())
    if isinstance(part, list | tuple):
        for each in part:
            yield from _choices(each)


def _in_place(part: Any) -> Any:
    if isinstance(part, dict):
        return _as_read(part)
    return [_in_place(each) for each in part] if isinstance(part, list) else part


def _operation(route: Route, schema_of: dict[Any, Any]) -> dict[str, Any]:
    name = route.handle.__name__
    problem: dict[str, Any] = {
        "description": "RFC 9457 problem",
        "content": {"application/problem+json": {"schema": schema_of[Problem]}},
    }
    good: dict[str, Any] = {"description": "done"}
    if route.is_wire:
        good["content"] = _OF_THE_DEVICE
        problem["content"] |= _OF_THE_DEVICE
    else:
        good["content"] = {"application/json": {"schema": schema_of[route.answer]}}
    if route.is_bulk:
        lines = "JSON texts, one a line: the page without its items, then each item"
        good["content"][NDJSON] = {"schema": {"type": "string", "description": lines}}
    responses = {str(status): good for status in (route.status, *route.statuses)}
    responses |= {str(status): problem for status in sorted({*route.problems, *_problems_of(route), *_EVERYWHERE})}
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": responses,
        "security": ([{"token": []}] + [{"device": []}] * route.is_wire) if route.scopes else [],
        "x-scopes": sorted(route.scopes),
    }
    if route.duty:
        operation["x-duty"] = {"name": route.duty, "role": DUTIES[route.duty]}
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of[route.body]}},
        }
    if route.is_wire and route.method in ("POST", "PUT"):
        operation["requestBody"] = {"content": _OF_THE_DEVICE}
    return operation


def _problems_of(route: Route) -> set[int]:
    body = {400, 413, 415, 422} if route.body else set()
    query = {400, 422} if route.query else set()
    return body | query | ({401, 403} if route.scopes else set())


def _parameters(route: Route) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PARAMETER.findall(route.path)
    ]
    in_header = [_SESSION] if route.duty and DUTIES[route.duty] else []
    return in_path + (_query_parameters(route.query) if route.query else []) + in_header


def _query_parameters(query: type[Struct]) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components([query], ref_template=_REF)
    described = components[query.__name__]
    return [
        {"name": name, "in": "query", "required": name in described.get("required", []), "schema": _as_read(schema)}
        for name, schema in described["properties"].items()
    ]
