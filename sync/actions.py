"""What a session asks its owner to do, in order: send, load, apply, note, end. Values only; sync.session makes them."""

from dataclasses import dataclass
from typing import Literal

from sync.batch import Batch, Boundary, Head
from sync.opening import Opening
from sync.protocol import FormerLife, Frame
from sync.schedule import Schedule

Role = Literal["dialler", "acceptor"]


@dataclass(frozen=True, slots=True)
class Send:
    """Send a frame, or a batch as one."""

    frame: Frame | Batch


@dataclass(frozen=True, slots=True)
class Load:
    """Read the next batches of a stream, of so many rows each; answer with `loaded`."""

    head: Head
    after: Boundary
    rows_max: int
    batches_max: int = 1


@dataclass(frozen=True, slots=True)
class Apply:
    """Commit a peer's batch; answer with `applied`."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Acked:
    """The peer holds an own stream durably up to here."""

    rep: str
    stream: str
    boundary: Boundary


@dataclass(frozen=True, slots=True)
class Opened:
    """Both sides know each other. `clock_offset_ms` is the peer's clock less ours, None where we cannot tell.

    `schedule` is when the peer wants to be dialled, None where it says nothing.
    """

    peer_rep: str
    clock_offset_ms: int | None
    schedule: Schedule | None = None


@dataclass(frozen=True, slots=True)
class End:
    """The conversation with `peer` is over; `is_ours` when this side ends it. `code` is stable, `detail` says what was wrong."""

    code: str
    detail: str = ""
    is_ours: bool = True
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Forked:
    """The peer knows another past of ours: take a new incarnation before the next conversation."""

    why: str


@dataclass(frozen=True, slots=True)
class EndLives:
    """The peer has given up these lives of its store."""

    lives: tuple[FormerLife, ...]


@dataclass(frozen=True, slots=True)
class NoteSealed:
    """The peer has sealed these lives of our store."""

    reps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Jump:
    """The peer sends no rows of a log up to here, but what they came to, if it can tell; answer with `jumped`."""

    rep: str
    stream: str
    to: Boundary
    opening: Opening | None = None


@dataclass(frozen=True, slots=True)
class LoadOpening:
    """Sum up the rows of a log up to about here; answer with `summed_up`."""

    head: Head
    to: int


Effect = Forked | EndLives | NoteSealed | Jump | Send | Load | LoadOpening | Apply | Acked | Opened | End
