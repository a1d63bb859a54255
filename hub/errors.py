"""Errors of the hub. `code` is stable and is the key of the bilingual texts; docstrings say what a caller may do next."""

from collections.abc import Iterator
from contextlib import contextmanager


class HubError(Exception):
    """Root of all operating errors of the hub. Nothing was changed unless the subclass says otherwise."""

    def __init__(self, code: str, detail: str = "", *, pointer: str = "", holder: str = "") -> None:
        super().__init__(detail or code)
        self.code = code
        self.detail = detail
        self.pointer = pointer
        self.holder = holder


class ConfigError(HubError):
    """The configuration is wrong: the start stops with exit code 78. The message names the key and the remedy."""

    def __init__(self, detail: str) -> None:
        super().__init__("config", detail)


class StartError(HubError):
    """The hub cannot start here (port in use, folder not writable, lock held): the message names the remedy."""

    def __init__(self, detail: str) -> None:
        super().__init__("start", detail)


class NotFoundError(HubError):
    """There is no such thing; asking again will not help."""


class ConflictError(HubError):
    """Another write or holder came first; the answer names it. Repeating the same request gives the same answer."""


class RefusedError(HubError):
    """The request is understood but wrong; nothing was changed, a corrected one may follow."""


class BusyError(HubError):
    """A bound is reached; nothing was changed, the same request may be repeated after a pause."""


class OutcomeUnknownError(HubError):
    """The commit failed or its end was not seen: the same request with the same id may be repeated and settles it."""


@contextmanager
def one_error() -> Iterator[None]:
    """Let the first of our errors out of a task group's group, so that a command can say it in one sentence."""
    try:
        yield
    except BaseExceptionGroup as group:
        ours, others = group.split(HubError)
        if ours is None or others is not None:
            raise
        error: BaseException = ours
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from group
