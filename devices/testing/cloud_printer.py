"""A Star CloudPRNT printer without the hardware: polls, fetches, prints, confirms; and faults to switch on.

It speaks through `ask(method, query, body)`, over HTTP or to a driver directly. It has no task: whoever plays it calls `poll`
as often as the printer would. Nothing of devices.codecs.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devices.testing.paper import Paper
from devices.testing.star_reader import read_star_paper

STARPRNT = "application/vnd.star.starprnt"

Ask = Callable[[str, Mapping[str, str], bytes], Awaitable[tuple[int, str, bytes]]]


@dataclass(slots=True)
class CloudPrinter:
    """`prefers` is the media type that it picks. Faults: `status` ("410 Paper out"), `forgets_delete`, `loses_job` (says
    520 instead of printing), `cannot_read` (510), `has_no_token` (firmware before tokens).
    """

    ask: Ask
    prefers: str = STARPRNT
    status: str = "200 OK"
    forgets_delete: bool = False
    loses_job: bool = False
    cannot_read: bool = False
    has_no_token: bool = False
    printed: list[bytes] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def papers(self) -> list[Paper]:
        """What it has printed, where that was StarPRNT."""
        return [read_star_paper(stream) for stream in self.printed]

    async def poll(self) -> bool:
        """Poll once, and print what is offered; return whether there was a job."""
        said = {
            "status": "23 86 0 0 0 0 0 0 0 0 0",
            "printerMAC": "00:11:62:00:00:01",
            "uniqueID": None,
            "statusCode": self.status.replace(" ", "%20"),
            "printingInProgress": False,
            "clientAction": None,
        }
        code, _, body = await self._ask("POST", {}, json.dumps(said).encode())
        offer: dict[str, Any] = json.loads(body) if code == 200 else {}  # Any: JSON
        if not offer.get("jobReady") or not self.status.startswith("2"):
            return False
        await self._fetch(offer)
        return True

    async def _fetch(self, offer: Mapping[str, Any]) -> None:
        media = self.prefers if self.prefers in offer["mediaTypes"] else offer["mediaTypes"][0]
        query = {"uid": "x", "mac": "00:11:62:00:00:01"} | ({} if self.has_no_token else {"token": offer["jobToken"]})
        code, kind, body = await self._ask("GET", query | {"type": media}, b"")
        if code != 200:
            return
        assert kind == media, f"asked for {media}, got {kind}"
        outcome = "520 Timeout" if self.loses_job else "510 Incompatible" if self.cannot_read else "200 OK"
        if outcome == "200 OK":
            self.printed.append(body)
        if not self.forgets_delete:
            await self._ask("DELETE", query | {"code": outcome}, b"")

    async def _ask(self, method: str, query: Mapping[str, str], body: bytes) -> tuple[int, str, bytes]:
        answer = await self.ask(method, query, body)
        self.answers.append(answer[0])
        return answer
