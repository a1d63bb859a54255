"""[senders.NAME] of cloud.toml, checked: a LINE channel or a gateway, its quiet hours, how fast it may be spoken to.

kind          "line" or "webhook"
token_file    line: the channel access token; webhook: a bearer token, where the gateway wants one
url           webhook: where the calls go; line: left out
per_second    calls at most (10)
quiet         ["21:00", "09:00"]: nothing is sent from the first to the second, by the zone of the person's home store
zone          of who has no home store (Asia/Taipei)
to, body, content_type, secret_file, knows_keys     webhook: see sync.cloud.senders.webhook
"""

from datetime import time
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct

from sync.cloud.senders.calls import Sender
from sync.cloud.senders.line import URL, LineSender
from sync.cloud.senders.webhook import BODY, FORM, JSON, WebhookSender
from sync.errors import ConfigError
from sync.settings import is_loopback

Url = Annotated[str, Meta(max_length=500, pattern=r"^(https?://[^\x00-\x20]+)?\Z")]


class SenderSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[senders.NAME]"""

    kind: Literal["line", "webhook"]
    token: str = ""
    token_file: str = ""
    url: Url = ""
    per_second: Annotated[float, Meta(gt=0, le=2000)] = 10.0
    quiet: list[str] = []
    zone: str = "Asia/Taipei"
    to: Literal["phone", "email", "line_id"] = "phone"
    body: Annotated[str, Meta(max_length=4000)] = BODY
    content_type: str = JSON
    secret: str = ""
    secret_file: str = ""
    knows_keys: bool = False


class SenderLine(Struct, frozen=True):
    """A sender, how fast it may be spoken to, and when it is silent: `quiet` from and until the same hour is never."""

    sender: Sender
    per_second: float
    quiet: tuple[time, time]
    zone: str


def line_of(name: str, section: SenderSection, base: Path) -> SenderLine:
    """Check a section; raise ConfigError with the key, the value and the remedy."""
    where = f"senders.{name}"
    _check_url(where, section)
    token, secret = _secret(where, "token", section, base), _secret(where, "secret", section, base)
    if section.kind == "line" and not token:
        raise ConfigError(f'{where}: kind = "line" needs token_file, with the channel access token')
    sender: Sender
    if section.kind == "line":
        sender = LineSender(name, token, section.url.rstrip("/") or URL)
    else:
        sender = WebhookSender(
            name=name,
            url=section.url,
            to=section.to,
            body=section.body,
            content_type=section.content_type,
            secret=secret,
            token=token,
            knows_keys=section.knows_keys,
        )
    try:
        ZoneInfo(section.zone)
    except (ZoneInfoNotFoundError, ValueError) as err:
        raise ConfigError(f'{where}: no time zone {section.zone!r}; write one as "Asia/Taipei"') from err
    return SenderLine(sender, section.per_second, _hours(where, section.quiet), section.zone)


def _check_url(where: str, section: SenderSection) -> None:
    if section.kind == "webhook" and not section.url:
        raise ConfigError(f'{where}: kind = "webhook" needs url')
    host = section.url.partition("://")[2].partition("/")[0].rpartition(":")[0]
    if section.url.startswith("http://") and not is_loopback(host):
        raise ConfigError(f"{where}: {section.url} would carry addresses in the clear; write https://")
    if section.content_type not in (JSON, FORM):
        raise ConfigError(f"{where}: content_type {section.content_type!r}; write {JSON} or {FORM}")
    if section.kind == "webhook" and "{text}" not in section.body:
        raise ConfigError(f"{where}: body has no {{text}}")


def _secret(where: str, name: str, section: SenderSection, base: Path) -> str:
    text, file = str(getattr(section, name)), str(getattr(section, f"{name}_file"))
    if text and file:
        raise ConfigError(f"{where}: write either {name} or {name}_file")
    if not file:
        return text
    try:
        return (base / file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{where}: {name}_file {file}: {err}") from err


def _hours(where: str, said: list[str]) -> tuple[time, time]:
    if not said:
        return time(), time()
    try:
        begin, end = (time.fromisoformat(each) for each in said)
    except ValueError as err:
        raise ConfigError(f'{where}: quiet {said}; write two times, as ["21:00", "09:00"]') from err
    return begin, end
