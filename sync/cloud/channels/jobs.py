"""A write job about something that was received of a channel. Values only."""

from sqlite3 import Connection
from typing import NamedTuple

from sync.cloud.channels.settings import Channel
from sync.cloud.persons.rules import MembersSection
from sync.model import Replica


class Received(NamedTuple):
    """What came, when."""

    topic: str
    body: bytes
    now_ms: int


class Job(NamedTuple):
    """The job. `members`: what customers are known by."""

    tx: Connection
    own: Replica
    channel: Channel
    members: MembersSection
    received: Received

    @property
    def now_ms(self) -> int:
        """When it was received."""
        return self.received.now_ms
