"""LINE's Messaging API by its reference (push, multicast, retry keys, 409, 429, quota), and head office that sends by it."""

import asyncio
from collections import Counter
from typing import Any

from aiohttp import web

from sync.cloud.talk.outgoing import speaking

STORES: dict[str, dict[str, Any]] = {
    "tpe01": {"token": "tpe01-token-0123456789", "members": "tw", "zone": "Asia/Taipei"},
    "hk01": {"token": "hk01-token-0123456789", "members": "tw", "zone": "Asia/Hong_Kong"},
}
SCOPES = {"members": {"tw": {"stores": ["tpe01", "hk01"]}}}
TEXTS = {"zh-Hant": "週年慶開始了", "en": "The sale is on"}
COUPON = {
    "kind": "coupon",
    "coupon_id": "TENOFF",
    "name": {"zh-Hant": "十元券", "en": "Ten off"},
    "currency": "TWD",
    "valid_from": "2026-01-01",
    "valid_until": "2026-12-31",
    "amount_max": 1000,
}
BATCH = {"kind": "coupon_batch", "batch_id": "B1", "coupon_id": "TENOFF", "prefix": "TEN", "digits": 4, "count": 100}
EVERYBODY = {"segment": "all", "name": {"zh-Hant": "全部", "en": "All"}, "filter": {"points": {"max": 1}}}
WEBHOOK_SECRET = "webhook-secret"
NOW_MS = 1_790_000_000_000


class Line:
    """LINE: accepts a key once; `answers` are given before it does, `after` once it has accepted."""

    def __init__(self) -> None:
        self.reached: Counter[str] = Counter()
        self.texts: dict[str, str] = {}
        self.keys: set[str] = set()
        self.calls: list[str] = []
        self.answers: list[tuple[int, str]] = []
        self.is_silent = False
        self.arrived = asyncio.Event()
        self.released = asyncio.Event()
        self.sent: list[Any] = []

    async def message(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == "Bearer line-token"
        key, said = request.headers["X-Line-Retry-Key"], await request.json()
        self.calls.append(request.path.rpartition("/")[2])
        if self.answers:
            status, text = self.answers.pop(0)
            return web.json_response({"message": text}, status=status)
        if key in self.keys:
            headers = {"x-line-accepted-request-id": "first"}
            return web.json_response({"message": "The retry key is already accepted"}, status=409, headers=headers)
        self.keys.add(key)
        users = said["to"] if isinstance(said["to"], list) else [said["to"]]
        assert len(users) <= 500 and all(user.startswith("U") and len(user) == 33 for user in users)
        for user in users:
            self.reached[user] += 1
            self.texts[user] = said["messages"][0]["text"]
        self.arrived.set()
        if self.is_silent:
            await self.released.wait()
        return web.json_response({"sentMessages": []}, headers={"x-line-request-id": "r1"})

    async def quota(self, request: web.Request) -> web.StreamResponse:
        said = {"totalUsage": 3} if request.path.endswith("consumption") else {"type": "limited", "value": 1000}
        return web.json_response(said)

    async def gateway(self, request: web.Request) -> web.StreamResponse:
        self.sent.append((dict(request.headers), await request.read()))
        if self.answers:
            return web.Response(status=self.answers.pop(0)[0])
        return web.Response(status=202)


def user(who: str) -> str:
    return f"U{who.encode().hex():0>32}"


async def evaluated(cloud: Any) -> None:
    assert (await cloud.post("/cloud/v1/segments", EVERYBODY)).status in (200, 201)
    assert (await cloud.post("/cloud/v1/segments/all/evaluation", {})).status == 200


async def begun(cloud: Any, campaign: str = "c1", **more: Any) -> Any:
    said = {"campaign_id": campaign, "segment": "all", "sender": "line", "texts": TEXTS} | more
    answer = await cloud.post("/cloud/v1/campaigns", said)
    assert answer.status in (200, 201), answer.body
    while await cloud.cloud.campaigns.prepare():
        pass
    return answer


async def send_all(cloud: Any, sender: str = "line") -> None:
    work = cloud.cloud.campaigns
    async with speaking() as speak:
        while await work.send_next(work.lines[sender], speak):
            pass


async def ledger(cloud: Any, campaign: str = "c1") -> dict[str, str]:
    items = (await cloud.get(f"/cloud/v1/campaigns/{campaign}/messages")).json["items"]
    names = {member: who for who, member in cloud.ids.items()}
    return {names[each["member_id"]]: f"{each['state']} {each['why']}".strip() for each in items}


async def say_no(cloud: Any, who: str, writer: Any) -> None:
    """A shop writes down a no, in a row of its own that nobody has looked at yet."""
    fact = {"kind": "consent", "consent_id": f"no-{who}", "member_id": cloud.ids[who], "purpose": "marketing"}
    writer.write("people", fact | {"choice": "out", "at": "2026-09-21T00:00:00Z"})
    await cloud.books("tpe01").apply(writer.batch("people"))
