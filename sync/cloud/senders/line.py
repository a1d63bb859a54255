"""LINE Messaging API: push to one user, multicast of the same text to up to 500.

POST {url}/v2/bot/message/push        {"to": "U…", "messages": [{"type": "text", "text": …}]}
POST {url}/v2/bot/message/multicast   {"to": ["U…", …], "messages": […]}
X-Line-Retry-Key: UUID                the same key is accepted once within 24 hours; again: 409, x-line-accepted-request-id
GET  {url}/v2/bot/message/quota, {url}/v2/bot/message/quota/consumption

    200, 409      sent                       429 with the monthly limit   quota, other 429   later
    5xx, nothing  lost: again by the key     other 4xx                    failed

A register keeps a LINE id in small letters; a user id is U and 32 hex digits, a LINE ID that a person typed is no address. Pure.
Source: developers.line.biz/en/reference/messaging-api, …/docs/messaging-api/retrying-api-request.
"""

import re
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from sync.cloud.senders.calls import Call, Letter, Outcome, Reply
from sync.json_errors import NOT_JSON

URL = "https://api.line.me"
MULTICAST_MAX = 500
_USER_ID = re.compile(r"u[0-9a-f]{32}")
_MONTHLY = "monthly limit"
RATE_AFTER_S = 60.0  # LINE says no time; its limits are by the minute and the hour


class _Error(Struct):
    message: str = ""


_error = msgspec.json.Decoder(_Error).decode


class LineSender(Struct, frozen=True):
    """One channel of LINE, by its channel access token."""

    name: str
    token: str
    url: str = URL

    @property
    def knows_keys(self) -> bool:
        """By X-Line-Retry-Key."""
        return True

    @property
    def group_max(self) -> int:
        """What multicast takes."""
        return MULTICAST_MAX

    def address_of(self, cells: Mapping[str, object]) -> str:
        """Return the user id."""
        text = str(cells.get("line_id") or "").lower()
        return f"U{text[1:]}" if _USER_ID.fullmatch(text) else ""

    def call(self, letter: Letter, *, now_ms: int) -> Call:
        """Return the push, or the multicast for several."""
        del now_ms
        is_one = len(letter.to) == 1
        said = {"to": letter.to[0] if is_one else list(letter.to), "messages": [{"type": "text", "text": letter.text}]}
        headers = self._headers | {"Content-Type": "application/json", "X-Line-Retry-Key": letter.key}
        path = "push" if is_one else "multicast"
        return Call("POST", f"{self.url}/v2/bot/message/{path}", headers, msgspec.json.encode(said))

    def read(self, reply: Reply) -> Outcome:
        """Return what LINE's answer means."""
        if reply.status == 0:
            return Outcome("lost" if reply.was_sent else "later", "no answer")
        said = _message(reply.body)
        request_id = reply.headers.get("x-line-accepted-request-id") or reply.headers.get("x-line-request-id", "")
        if 200 <= reply.status < 300 or reply.status == 409:
            return Outcome("sent", "", request_id)
        if reply.status == 429:
            return Outcome("quota" if _MONTHLY in said else "later", said, request_id, RATE_AFTER_S)
        return Outcome("lost" if reply.status >= 500 else "failed", f"{reply.status} {said}".strip(), request_id)

    def quota_calls(self) -> tuple[Call, ...]:
        """Return the questions: the month's messages, and those that were sent."""
        paths = ("quota", "quota/consumption")
        return tuple(Call("GET", f"{self.url}/v2/bot/message/{path}", self._headers) for path in paths)

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def _message(body: bytes) -> str:
    """Return LINE's reason; it names fields, never a user."""
    try:
        return _error(body).message[:200]
    except NOT_JSON:
        return ""
