"""POST /sync/v1/registers: the two hubs of a store tell each other their members. A token of scope `standby` only."""

from typing import Annotated

from msgspec import Meta, Raw, Struct

from hub.api.replica.standby_keys import STANDBY
from hub.api.routing import Call, Reply, Route
from hub.errors import RefusedError
from hub.runtime import Runtime
from hub.standby_registers import take_registers
from hub.store.upkeep.beside_registers import ROWS_MAX, STREAMS, RegisterStream, Told, held_here, rows_behind
from sync.batch import Rep, Seq

LIVES_MAX = 200  # of a store; a machine has a few in its whole life
Lives = Annotated[dict[Rep, Seq], Meta(max_length=LIVES_MAX)]


class RegisterTold(Struct, frozen=True, forbid_unknown_fields=True):
    """A row as its writer wrote it."""

    stream: RegisterStream
    rep: Rep
    seq: Annotated[int, Meta(ge=1, le=2**53)]
    row: Raw


class RegistersTold(Struct, frozen=True, forbid_unknown_fields=True):
    """How far one side holds the rows of each life of the store, and rows that the other side does not have.

    `rep` is its own life, of which the cloud holds so much as `cloud` says.
    """

    rep: Rep
    held: Annotated[dict[RegisterStream, Lives], Meta(max_length=2)] = {}
    rows: Annotated[tuple[RegisterTold, ...], Meta(max_length=ROWS_MAX)] = ()
    cloud: Annotated[dict[RegisterStream, Seq], Meta(max_length=2)] = {}


async def post_registers(call: Call) -> Reply:
    """POST /sync/v1/registers"""
    hub, told = call.hub, call.body
    named = [("/rep", told.rep), *((f"/rows/{index}/rep", row.rep) for index, row in enumerate(told.rows))]
    for pointer, rep in named:
        if rep.rpartition(":")[0] != hub.replica.store:
            raise RefusedError("not_this_store", f"{rep} is no life of {hub.replica.store}", pointer=pointer)
    await take_registers(hub, told.rep, told.cloud, read_rows(told))
    return Reply(told_by(hub, told))


def told_by(hub: Runtime, theirs: RegistersTold | None) -> RegistersTold:
    """Return what this side says; rows only to a side that has said what it holds."""
    read, own, cloud = hub.db.read, hub.replica, hub.replication.books.holders.cloud
    rows = rows_behind(read, own, theirs.held) if theirs is not None else []
    return RegistersTold(
        own.rep,
        held_here(read, own),
        tuple(RegisterTold(row.stream, row.rep, row.seq, Raw(row.body)) for row in rows),
        {stream: cloud.get(stream, 0) for stream in STREAMS},
    )


def read_rows(told: RegistersTold) -> list[Told]:
    """Return the rows of a message."""
    return [Told(row.stream, row.rep, row.seq, bytes(row.row)) for row in told.rows]


ROUTES = (
    Route(
        "POST",
        "/sync/v1/registers",
        post_registers,
        "Between the two hubs of a store: members",
        STANDBY,
        RegistersTold,
        body=RegistersTold,
        problems=(403, 422, 503),
    ),
)
