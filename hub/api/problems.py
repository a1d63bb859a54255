"""Errors as RFC 9457 problem documents: a stable `code`, a JSON pointer, and the remedy in both languages.

The texts live in hub/texts, one file a language, keyed by code; a code without texts is a bug that a test finds.
"""

import tomllib
from functools import cache
from importlib import resources

import msgspec
from aiohttp import web
from msgspec import Struct

from hub.errors import ConflictError, NoRoomError, NotFoundError, RefusedError, WaitError
from sync.errors import BusyError, OutcomeUnknownError, SyncError

LANGUAGES = ("en", "zh-Hant")
RETRY_AFTER_S = 1
_STATUS: dict[type[SyncError], int] = {
    NotFoundError: 404,
    ConflictError: 409,
    RefusedError: 422,
    WaitError: 429,
    BusyError: 503,
    NoRoomError: 507,
    OutcomeUnknownError: 503,
}
_STATUS_OF_CODE = {
    **dict.fromkeys(("pairing_code", "not_your_till", "forbidden", "not_its_device"), 403),
    **dict.fromkeys(("pin", "pin_locked", "cashier_disabled", "sign_in_needed", "sign_in_over", "role_too_low"), 403),
    "unreadable": 400,
    "too_many_guesses": 429,
    "pin_key": 503,
    "elsewhere_offline": 503,
}


class Problem(Struct, frozen=True, omit_defaults=True):
    """application/problem+json. `holder` names who has what was asked for (409)."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    pointer: str = ""
    holder: str = ""
    remedy: dict[str, str] = {}


PROBLEM = web.ResponseKey("problem", Problem)


@cache
def texts(language: str) -> dict[str, dict[str, str]]:
    """Return the texts of a language: code -> {title, remedy}."""
    return tomllib.loads(resources.files("hub.texts").joinpath(f"{language}.toml").read_text(encoding="utf-8"))


def problem(
    status: int,
    code: str,
    detail: str = "",
    *,
    pointer: str = "",
    holder: str = "",
    retry_after_s: int = RETRY_AFTER_S,
    challenge: str = "Bearer",
) -> web.Response:
    """Return the response for a problem."""
    body = Problem(
        type=f"urn:storehub:problem:{code}",
        title=texts("en")[code]["title"],
        status=status,
        code=code,
        detail=detail,
        pointer=pointer,
        holder=holder,
        remedy={language: texts(language)[code]["remedy"] for language in LANGUAGES},
    )
    headers = {"Retry-After": str(retry_after_s)} if status in (429, 503) else {}
    if status == 401:
        headers["WWW-Authenticate"] = challenge
    response = web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/problem+json", headers=headers
    )
    response[PROBLEM] = body
    return response


def problem_of(err: SyncError) -> web.Response:
    """Return the response for an operating error of the hub."""
    status = _STATUS_OF_CODE.get(err.code) or _STATUS.get(type(err), 500)
    wait_s = err.wait_s if isinstance(err, WaitError) else RETRY_AFTER_S
    return problem(status, err.code, err.detail, pointer=err.pointer, holder=err.holder, retry_after_s=wait_s)
