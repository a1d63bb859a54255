"""Shopify: levels out, and read back. Conversations without I/O.

REST's inventory_levels/set.json is legacy since 2024-10-01; this is GraphQL's inventorySetQuantities, at most QUANTITIES_MAX
at once. `changeFromQuantity` (needed from 2026-04 on) is what we believe that the shop shows: where an order has come in between
it shows less, the item is refused as stale, and looked at: nothing is put back that is sold already. `@idempotent` makes a
retry harmless.

Source: shopify.dev, Admin GraphQL 2026-10: inventorySetQuantities, Location.inventoryLevels, rate limits.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from sync.cloud.channels.calls import Conversation, ShopAnswer, ShopCall, ShopFaultError
from sync.cloud.channels.reading import level_of
from sync.cloud.channels.said import Level, SetResult, Wanted
from sync.cloud.channels.settings import Channel
from sync.json_errors import NOT_JSON

QUANTITIES_MAX = 250
PAGES_MAX = 4000  # a million items; more is a shop that pages in a circle
WAIT_MAX_S = 60.0
STALE = "CHANGE_FROM_QUANTITY_STALE"
LIST = """
query Levels($location: ID!, $after: String) {
  location(id: $location) {
    inventoryLevels(first: 250, after: $after) {
      nodes { item { id sku } quantities(names: ["available"]) { name quantity } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
LOOK = """
query Look($ids: [ID!]!, $location: ID!) {
  nodes(ids: $ids) {
    ... on InventoryItem {
      id
      inventoryLevel(locationId: $location) { quantities(names: ["available"]) { name quantity } }
    }
  }
}
"""
SET = """
mutation Set($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    userErrors { code field message }
  }
}
"""


class _Error(Struct, frozen=True):
    message: str = ""
    code: str | None = None
    field: list[str] | None = None
    extensions: dict[str, Any] = {}  # Any: as the shop says it


class _Throttle(Struct, frozen=True):
    currentlyAvailable: float = 0  # noqa: N815 - the shop's words
    restoreRate: float = 50  # noqa: N815


class _Cost(Struct, frozen=True):
    requestedQueryCost: float = 0  # noqa: N815
    throttleStatus: _Throttle = _Throttle()  # noqa: N815


class _Extensions(Struct, frozen=True):
    cost: _Cost = _Cost()


class _Answer(Struct, frozen=True):
    data: dict[str, Any] | None = None
    errors: list[_Error] = []
    extensions: _Extensions = _Extensions()


class _Item(Struct, frozen=True):
    id: str
    sku: str | None = None


class _Quantity(Struct, frozen=True):
    quantity: int


class _Node(Struct, frozen=True):
    item: _Item
    quantities: list[_Quantity] = []


class _Looked(Struct, frozen=True):
    quantities: list[_Quantity] = []


class _LookedAt(Struct, frozen=True):
    id: str = ""
    inventoryLevel: _Looked | None = None  # noqa: N815


class _PageInfo(Struct, frozen=True):
    hasNextPage: bool  # noqa: N815
    endCursor: str | None = None  # noqa: N815


class _Page(Struct, frozen=True):
    nodes: list[_Node]
    pageInfo: _PageInfo  # noqa: N815


class _Location(Struct, frozen=True):
    inventoryLevels: _Page  # noqa: N815


_answer = msgspec.json.Decoder(_Answer).decode


def headers(channel: Channel) -> Mapping[str, str]:
    """Return what each call carries."""
    return {"X-Shopify-Access-Token": channel.token, "Content-Type": "application/json"}


def levels(channel: Channel) -> Conversation[list[Level]]:
    """Return what the shop shows at our location, of all items."""
    found: list[Level] = []
    after: str | None = None
    for _ in range(PAGES_MAX):
        said = yield _call(channel, LIST, {"location": _location(channel), "after": after})
        page = _page(channel, _data(said))
        found += [Level(node.item.id, "", node.item.sku or "", _quantity(node.quantities)) for node in page.nodes]
        after = page.pageInfo.endCursor
        if not page.pageInfo.hasNextPage or not after:
            return found
    raise ShopFaultError("shop_answer", f"more than {PAGES_MAX} pages of levels")


def set_levels(channel: Channel, wanted: Sequence[Wanted]) -> Conversation[list[SetResult]]:
    """Set levels, those that were not refused: a refused item is named, and the others are sent again without it."""
    results: list[SetResult] = []
    for start in range(0, len(wanted), QUANTITIES_MAX):
        left = list(wanted[start : start + QUANTITIES_MAX])
        while left:
            said = yield _call(channel, SET, _input(channel, left))
            refused = _refused(_data(said), left)
            results += refused.values()
            if not refused:
                results += [SetResult(each.item) for each in left]
                break
            left = [each for each in left if each.item not in refused]
    return (yield from _looked_at(channel, results))


def wait_s(said: ShopAnswer) -> float:
    """Return how long to wait before the same call goes again: its cost was more than what was left; 0: it was answered."""
    try:
        answer = _answer(said.body)
    except NOT_JSON:
        return 0.0
    if not any(each.extensions.get("code") == "THROTTLED" for each in answer.errors):
        return 0.0
    cost = answer.extensions.cost
    missing = cost.requestedQueryCost - cost.throttleStatus.currentlyAvailable
    return min(WAIT_MAX_S, max(0.05, missing / max(1.0, cost.throttleStatus.restoreRate)))


def _looked_at(channel: Channel, results: list[SetResult]) -> Conversation[list[SetResult]]:
    """Return results, the stale ones with what the shop shows."""
    stale = [each.item for each in results if each.code == "stale"]
    now: dict[str, int] = {}
    for start in range(0, len(stale), QUANTITIES_MAX):
        ids = stale[start : start + QUANTITIES_MAX]
        said = yield _call(channel, LOOK, {"ids": ids, "location": _location(channel)})
        try:
            nodes = msgspec.convert(_data(said).get("nodes") or [], list[_LookedAt | None])
        except msgspec.ValidationError as err:
            raise ShopFaultError("shop_answer", f"nodes: {err}") from err
        now |= {node.id: _quantity(node.inventoryLevel.quantities) for node in nodes if node and node.inventoryLevel}
    return [SetResult(each.item, each.code, each.detail, now.get(each.item)) for each in results]


def _quantity(quantities: Sequence[_Quantity]) -> int:
    return level_of(quantities[0].quantity) if quantities else 0


def _call(channel: Channel, query: str, variables: dict[str, Any]) -> ShopCall:
    body = msgspec.json.encode({"query": query, "variables": variables})
    return ShopCall("POST", f"/admin/api/{channel.api_version}/graphql.json", body)


def _location(channel: Channel) -> str:
    return f"gid://shopify/Location/{channel.location}"


def _input(channel: Channel, wanted: Sequence[Wanted]) -> dict[str, Any]:
    quantities = [
        {
            "inventoryItemId": each.item,
            "locationId": _location(channel),
            "quantity": each.wanted,
            "changeFromQuantity": each.shown,
        }
        for each in wanted
    ]
    said = {"name": "available", "reason": "correction", "quantities": quantities}
    key = blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=16).hexdigest()
    return {"input": said, "key": key}


def _data(said: ShopAnswer) -> dict[str, Any]:
    try:
        answer = _answer(said.body)
    except NOT_JSON as err:
        raise ShopFaultError("shop_answer", f"no GraphQL: {err}") from err
    if answer.errors or answer.data is None:
        why = "; ".join(each.message for each in answer.errors)[:300]
        raise ShopFaultError("shop_refused", why or "neither data nor errors")
    return answer.data


def _page(channel: Channel, data: dict[str, Any]) -> _Page:
    if data.get("location") is None:
        raise ShopFaultError("shop_refused", f"the shop has no location {channel.location}; correct location")
    try:
        return msgspec.convert(data["location"], _Location).inventoryLevels
    except msgspec.ValidationError as err:
        raise ShopFaultError("shop_answer", f"levels: {err}") from err


def _refused(data: dict[str, Any], wanted: Sequence[Wanted]) -> dict[str, SetResult]:
    """Return what was refused by item; raise ShopFaultError where a refusal names none."""
    try:
        errors = msgspec.convert((data.get("inventorySetQuantities") or {}).get("userErrors") or [], list[_Error])
    except (msgspec.ValidationError, AttributeError) as err:
        raise ShopFaultError("shop_answer", f"inventorySetQuantities: {err}") from err
    refused: dict[str, SetResult] = {}
    for each in errors:
        index = next((int(part) for part in each.field or [] if part.isdecimal()), -1)
        if not 0 <= index < len(wanted):
            raise ShopFaultError("shop_refused", f"inventorySetQuantities: {each.code}: {each.message}"[:300])
        item = wanted[index].item
        refused[item] = SetResult(item, "stale" if each.code == STALE else "refused", f"{each.code}: {each.message}")
    return refused
