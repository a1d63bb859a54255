"""Any SMS gateway or other service: one HTTP call by a template, signed. Pure.

body            a template with {to}, {text}, {key}; each stands there as JSON text or as a form's value, by `content_type`
signature       Storehub-Signature: t=SECONDS,v1=HEX; HMAC-SHA256 of "SECONDS.BODY" under the secret
key             Idempotency-Key: UUID, the same for the same attempt

2xx             sent                     429                     later, by Retry-After
408, 5xx, none  lost: again by the key where the gateway knows keys (`knows_keys`), else unknown
other           failed
"""

import hmac
import re
from collections.abc import Mapping
from urllib.parse import quote_plus

import msgspec
from msgspec import Struct

from sync.cloud.senders.calls import Call, Letter, Outcome, Reply

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
BODY = '{"to": "{to}", "text": "{text}", "id": "{key}"}'
AFTER_MAX_S = 3600.0
_PLACE = re.compile(r"\{(to|text|key)\}")


class WebhookSender(Struct, frozen=True):
    """A gateway. `to`: which cell of the register is the address."""

    name: str
    url: str
    to: str = "phone"
    body: str = BODY
    content_type: str = JSON
    secret: str = ""
    token: str = ""
    knows_keys: bool = False

    @property
    def group_max(self) -> int:
        """One call, one address."""
        return 1

    def address_of(self, cells: Mapping[str, object]) -> str:
        """Return the number or address."""
        return str(cells.get(self.to) or "")

    def call(self, letter: Letter, *, now_ms: int) -> Call:
        """Return the request."""
        values = {"to": letter.to[0], "text": letter.text, "key": letter.key}
        said = _PLACE.sub(
            lambda found: self._escaped(values[found[1]]), self.body
        )  # once: a text with {to} stays a text
        body = said.encode()
        headers = {"Content-Type": self.content_type, "Idempotency-Key": letter.key}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.secret:
            headers["Storehub-Signature"] = signature(self.secret, body, now_ms // 1000)
        return Call("POST", self.url, headers, body)

    def read(self, reply: Reply) -> Outcome:
        """Return what the gateway's answer means."""
        if reply.status == 0:
            return Outcome("lost" if reply.was_sent else "later", "no answer")
        if 200 <= reply.status < 300:
            return Outcome("sent", "", reply.headers.get("x-request-id", "")[:100])
        if reply.status == 429:
            return Outcome("later", "429", "", _seconds(reply.headers.get("retry-after", "")))
        is_lost = reply.status == 408 or reply.status >= 500
        return Outcome("lost" if is_lost else "failed", str(reply.status))

    def quota_calls(self) -> tuple[Call, ...]:
        """Nobody can be asked."""
        return ()

    def _escaped(self, value: str) -> str:
        if self.content_type == FORM:
            return quote_plus(value)
        return msgspec.json.encode(value).decode()[1:-1]


def signature(secret: str, body: bytes, at_s: int) -> str:
    """Return the header by which a gateway knows that a call is ours, and of when."""
    digest = hmac.digest(secret.encode(), b"%d." % at_s + body, "sha256").hex()
    return f"t={at_s},v1={digest}"


def _seconds(text: str) -> float:
    try:
        return min(max(1.0, float(text)), AFTER_MAX_S)
    except ValueError:
        return 60.0
