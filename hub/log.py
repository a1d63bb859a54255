"""Logs as one JSON object a line on standard error: time, level, logger, message, fields. No tokens, names or card data.

Under systemd each line begins with its priority, which the journal takes off: `journalctl -p warning` (sd-daemon(3)).
"""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

LINES_MAX = 20  # refusals logged in LINES_S: a till that repeats a mistake must not fill the card
LINES_S = 10.0
_PRIORITIES = {logging.DEBUG: "<7>", logging.INFO: "<6>", logging.WARNING: "<4>", logging.ERROR: "<3>"}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


TOGETHER = "together"
"""The field of a record that is many lines: a sequence of Said."""
Said = tuple[float, str, Mapping[str, Any]]
"""A line that was said before: how many seconds ago, the message, its fields. Any: JSON."""


class JsonFormatter(logging.Formatter):
    """A record as one line; what was given as `extra` becomes fields. One with TOGETHER is as many lines as were said."""

    def __init__(self, *, has_priorities: bool = False) -> None:
        super().__init__()
        self._priorities = _PRIORITIES if has_priorities else {}

    def format(self, record: logging.LogRecord) -> str:
        said: Sequence[Said] | None = vars(record).get(TOGETHER)
        if said is not None:
            return "\n".join(self._line(record, *each) for each in said)
        fields = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return self._line(record, 0.0, record.getMessage(), fields)

    def _line(self, record: logging.LogRecord, ago_s: float, message: str, fields: Mapping[str, Any]) -> str:
        line: dict[str, Any] = {  # Any: fields are whatever the record carries
            "at": datetime.fromtimestamp(record.created - ago_s, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": message,
            **fields,
        }
        return self._priorities.get(record.levelno, "") + orjson.dumps(line, default=str).decode()


class ClientFaultFilter(logging.Filter):
    """One line instead of a traceback for bytes that are no HTTP: they have been answered 400, and anybody can send them."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if type(error).__module__ == "aiohttp.http_exceptions":
            record.msg, record.args, record.exc_info = "bytes that are no HTTP were refused", (), None
            record.levelno, record.levelname = logging.INFO, "INFO"
        return True


class RateLimitFilter(logging.Filter):
    """At most LINES_MAX lines in LINES_S of one logger; the next line after that says how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._begun_s, self._lines, self._left_out = 0.0, 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.created - self._begun_s >= LINES_S:
            if self._left_out:
                record.left_out_before = self._left_out
            self._begun_s, self._lines, self._left_out = record.created, 0, 0
        self._lines += 1
        self._left_out += self._lines > LINES_MAX
        return self._lines <= LINES_MAX


def start_logging(level: str = "INFO") -> None:
    """Send all loggers to standard error as JSON lines. Which code, thread or process said it is on none, nor looked up."""
    logging._srcfile = None  # this and the next line: Python's Logging HOWTO, "Optimization"
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(has_priorities=_is_journal(sys.stderr.fileno(), os.environ)))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.server").addFilter(ClientFaultFilter())
    logging.getLogger("aiohttp.server").addFilter(RateLimitFilter())
    for name in ("hub.refused", "sync.cloud.refused"):
        logging.getLogger(name).addFilter(RateLimitFilter())


def _is_journal(descriptor: int, environment: Mapping[str, str]) -> bool:
    """Whether what is written there goes to systemd's journal: systemd.exec(5), JOURNAL_STREAM."""
    there = os.fstat(descriptor)
    return environment.get("JOURNAL_STREAM") == f"{there.st_dev}:{there.st_ino}"
