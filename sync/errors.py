"""Errors of the replicated store. Each has a stable `code`; the docstring says what state they leave behind."""

from collections.abc import Iterator
from contextlib import contextmanager


class SyncError(Exception):
    """Root of all operating errors of the store. Nothing was changed unless the subclass says otherwise."""

    def __init__(self, code: str, detail: str = "", *, pointer: str = "", holder: str = "") -> None:
        super().__init__(detail or code)
        self.code = code
        self.detail = detail
        self.pointer = pointer
        self.holder = holder


class RuleError(SyncError):
    """A retail rule refuses a value; nothing was changed. `pointer` is a JSON pointer into what was checked."""

    def __init__(self, code: str, pointer: str, detail: str) -> None:
        super().__init__(code, detail, pointer=pointer)


class StartError(SyncError):
    """A process cannot start here (port in use, folder not writable, lock held): the message names the remedy."""

    def __init__(self, detail: str) -> None:
        super().__init__("start", detail)


class ConfigError(SyncError):
    """The configuration is wrong: the start stops with exit code 78. The message names the key and the remedy."""

    def __init__(self, detail: str) -> None:
        super().__init__("config", detail)


class BusyError(SyncError):
    """A bound is reached; nothing was changed, the same request may be repeated after a pause."""


class OutcomeUnknownError(SyncError):
    """The commit failed or its end was not seen: the same request with the same id may be repeated and settles it."""


class ProtocolError(SyncError):
    """The peer said what it may not say (a frame cut, a lying digest, rows of another): nothing of it was stored.

    The connection ends; what was acknowledged before stands, the rest is sent again.
    """

    def __init__(self, detail: str) -> None:
        super().__init__("protocol", detail)


class ForkError(SyncError):
    """The peer holds a boundary of our stream that we never offered: one of us was restored or copied. Nothing was changed."""

    def __init__(self, detail: str) -> None:
        super().__init__("fork", detail)


@contextmanager
def one_error() -> Iterator[None]:
    """Let the first of our errors out of a task group's group, so that a command can say it in one sentence."""
    try:
        yield
    except BaseExceptionGroup as group:
        ours, others = group.split(SyncError)
        if ours is None or others is not None:
            raise
        error: BaseException = ours
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from group
