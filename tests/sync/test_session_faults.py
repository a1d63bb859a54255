"""What a line and a peer can do to a conversation: cut at every frame, frames lost, doubled, swapped, and every lie we know.

Each time the fault is named with the peer, nothing is lost or taken twice, and the next conversation brings the rest.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from backports import zstd
from msgspec.structs import replace

from sync.batch import BYTES_MAX, SEQ_MAX, Batch
from sync.errors import ProtocolError
from sync.model import Feed
from sync.protocol import (
    FRAME_MAX,
    LIVES_MAX,
    VECTOR_MAX,
    Ack,
    Bye,
    FormerLife,
    Held,
    Hello,
    HelloOk,
    Packed,
    Pull,
    decode,
    encode,
    packed,
    unpacked,
)
from sync.sending import BATCH_ROWS, STATE_PACE_MS, WINDOW
from sync.session import ACK_TIMEOUT_MS, PULLS_MAX
from sync.testing.memory_books import MemoryBooks
from tests.sync.end_to_end import CLOUD, HUB, End2End, fill

SALES = 6 * BATCH_ROWS


def filled() -> tuple[MemoryBooks, MemoryBooks]:
    hub, cloud = MemoryBooks(HUB), MemoryBooks(CLOUD)
    fill(hub, "sales", SALES)
    fill(hub, "returns", 10)
    for n in range(2 * BATCH_ROWS):
        cloud.write("catalogue", b'{"price":%d}' % n, feed=Feed.STATE)
    return hub, cloud


def drain(line: End2End) -> None:
    for _ in range(4):
        line.settle()
        line.let_pass(STATE_PACE_MS)


def is_whole(hub: MemoryBooks, cloud: MemoryBooks) -> bool:
    """Every row is where it belongs, and came once."""
    return (
        cloud.rows_of(HUB, "sales") == {n: b'{"n":%d}' % (n - 1) for n in range(1, SALES + 1)}
        and len(cloud.rows_of(HUB, "returns")) == 10
        and len(hub.rows_of(CLOUD, "catalogue")) == 2 * BATCH_ROWS
        and (cloud.applied, hub.applied) == (SALES + 10, 2 * BATCH_ROWS)
        and cloud.vector(HUB)[HUB, "sales"].digest == hub.digest_of("sales")
        and hub.acks["sales"].last == SALES
    )


def deliveries() -> Iterator[tuple[str, int]]:
    """Every moment of a whole conversation: (whose frame arrives next, how many have arrived before)."""
    line = End2End(*filled())
    count = 0
    while line.is_up and any(line.wires.values()):
        for role in ("acceptor", "dialler"):
            if line.wires[role]:
                yield role, count
                line.deliver(role)
                count += 1


MOMENTS = list(deliveries())


def walk(line: End2End, steps: int) -> None:
    """Let that many frames arrive, in the order of `deliveries`."""
    done = 0
    while done < steps:
        for role in ("acceptor", "dialler"):
            if done < steps and line.wires[role]:
                line.deliver(role)
                done += 1


@pytest.mark.parametrize("steps", range(len(MOMENTS)))
def test_a_line_cut_at_any_frame_goes_on_where_it_was(steps: int) -> None:
    hub, cloud = filled()
    line = End2End(hub, cloud)
    walk(line, steps)
    line.connect()
    drain(line)

    assert line.ends == []
    assert is_whole(hub, cloud)


@pytest.mark.parametrize("fault", ["lost", "doubled", "swapped"])
@pytest.mark.parametrize(("role", "steps"), MOMENTS[2:], ids=[f"{role}-{n}" for role, n in MOMENTS[2:]])
def test_a_frame_that_is_lost_doubled_or_swapped_does_no_harm(role: str, steps: int, fault: str) -> None:
    """In the middle of a conversation; should it end it, the next one brings the rest."""
    hub, cloud = filled()
    line = End2End(hub, cloud)
    walk(line, steps)
    wire = line.wires[role]
    frame = wire.popleft()
    if fault == "doubled":
        wire.extendleft((frame, frame))
    if fault == "swapped":
        wire.insert(1, frame)
    drain(line)
    if not is_whole(hub, cloud):
        line.let_pass(ACK_TIMEOUT_MS + 1)
        assert {end.code for end in line.ends} <= {"no_ack", "gap", "hung_up", "fork"}
        line.connect()
        drain(line)

    assert is_whole(hub, cloud)


def open_line() -> End2End:
    line = End2End(*filled())
    walk(line, 2)
    return line


LIES: dict[str, tuple[Any, str]] = {
    "acks more than there is": (Ack(HUB, "sales", 10**6, bytes(8)), "fork"),
    "acks under another digest": (Ack(HUB, "sales", BATCH_ROWS, b"\x07" * 8), "fork"),
    "acks what is nobody's": (Ack("hk09:ff", "sales", 1, bytes(8)), "fork"),
    "acks a stream that is none": (Ack(HUB, "nothing", 1, bytes(8)), "fork"),
    "asks for what was never offered": (Pull(HUB, "sales", SEQ_MAX, bytes(8)), "fork"),
    "greets again": (Hello(rep=CLOUD, vector=(), t1_ms=0), "unexpected"),
    "answers again": (HelloOk(rep=CLOUD, vector=(), t1_ms=0, t2_ms=0, t3_ms=0), "unexpected"),
}


@pytest.mark.parametrize(("frame", "code"), LIES.values(), ids=[name.replace(" ", "-") for name in LIES])
def test_a_lie_is_named_with_the_peer_and_the_next_conversation_brings_the_rest(frame: Any, code: str) -> None:
    line = open_line()
    line.wires["dialler"].appendleft(frame)
    line.deliver("dialler")

    (end,) = line.ends
    assert (end.code, end.peer, end.is_ours) == (code, CLOUD, True)
    assert code == "unexpected" or str(getattr(frame, "last", "")) in end.detail
    line.connect()
    drain(line)
    assert is_whole(*line.books.values())


def test_an_ack_that_says_nothing_new_is_worth_nothing() -> None:
    line = open_line()
    walk(line, 4)
    line.settle()
    at = line.books["dialler"].acks["sales"]
    effects = line.sessions["dialler"].receive(Ack(HUB, "sales", at.last, at.digest), line.now_ms, wall_ms=0)

    assert effects == []


def test_a_peer_that_takes_and_never_acks_gets_no_more_than_the_window() -> None:
    line = open_line()
    for _ in range(50):
        line.carry_out("dialler", line.sessions["dialler"].changed(line.now_ms))
        line.let_pass(1000)
    sent = [frame for frame in line.wires["acceptor"] if isinstance(frame, Batch)]
    line.let_pass(ACK_TIMEOUT_MS)

    assert len(sent) == WINDOW
    assert [(end.code, end.peer) for end in line.ends] == [("no_ack", CLOUD)]


def test_a_peer_that_pulls_for_ever_is_given_up() -> None:
    line = open_line()
    for _ in range(PULLS_MAX + 1):
        line.carry_out(
            "dialler", line.sessions["dialler"].receive(Pull(HUB, "sales", 0, bytes(8)), line.now_ms, wall_ms=0)
        )

    assert [end.code for end in line.ends] == ["gap"]


def test_a_peer_that_says_bye_for_ever_changes_nothing() -> None:
    line = open_line()
    for _ in range(100):
        line.wires["acceptor"].append(Bye())
    drain(line)

    assert is_whole(*line.books.values())


def wrong_batches() -> dict[str, Callable[[Batch], Batch]]:
    def reversed_rows(batch: Batch) -> Batch:
        return replace(batch, rows=tuple(reversed(batch.rows)))

    return {
        "a digest that lies": lambda batch: replace(batch, digest=b"\x09" * 8),
        "a row changed": lambda batch: replace(batch, rows=((batch.rows[0][0], b"{}"), *batch.rows[1:])),
        "a row taken out": lambda batch: replace(batch, rows=batch.rows[1:]),
        "a row too many": lambda batch: replace(batch, rows=(*batch.rows, (batch.last + 1, b"{}"))),
        "rows in another order": reversed_rows,
        "a range that ends nowhere": lambda batch: replace(batch, last=SEQ_MAX + 1),
        "a range that begins before everything": lambda batch: replace(batch, after=-1),
        "no rows": lambda batch: replace(batch, rows=()),
    }


@pytest.mark.parametrize("lie", wrong_batches().values(), ids=[name.replace(" ", "-") for name in wrong_batches()])
def test_a_batch_that_lies_is_refused_whole_and_the_true_one_taken_later(lie: Callable[[Batch], Batch]) -> None:
    line = open_line()
    wire = line.wires["acceptor"]
    place = next(n for n, frame in enumerate(wire) if isinstance(frame, Batch))
    honest = wire[place]
    assert isinstance(honest, Batch)
    wire[place] = lie(honest)
    with pytest.raises(ProtocolError, match=HUB):
        line.settle()

    assert line.books["acceptor"].rows_of(HUB, "sales") == {}
    line.connect()
    drain(line)
    assert is_whole(*line.books.values())


STRANGE = [
    b"",
    b"no JSON",
    b"\xff\xfe",
    b'{"id":"a\\u0000b"}',
    b'{"id":"a\x00b"}',
    b'{"sale":{"sale_id":5}}',
    b'[{"k":' * 500 + b"1" + b"}]" * 500,
    b'{"n":' + b"9" * 400 + b"}",
    b"null",
    b'"' + b"x" * 300_000 + b'"',
]


@pytest.mark.parametrize("features", [("columns", "zstd"), ()])
@pytest.mark.parametrize("stream", ["sales", "of-a-later-version"])
def test_rows_that_nobody_can_read_arrive_as_the_bytes_they_are(stream: str, features: tuple[str, ...]) -> None:
    """Through the real encoding: a row is not the session's to judge, its books keep it aside and the stream flows on."""
    hub, cloud = MemoryBooks(HUB), MemoryBooks(CLOUD)
    for row in STRANGE:
        hub.write(stream, row)
    line = End2End(hub, cloud, acceptor={"features": features})
    while any(line.wires.values()):
        wire = line.wires["acceptor"]
        line.wires["acceptor"] = type(wire)(_over_the_wire(frame, features) for frame in wire)
        line.deliver("acceptor")
        line.deliver("dialler")

    assert list(cloud.rows_of(HUB, stream).values()) == STRANGE
    assert hub.acks[stream].last == len(STRANGE) and line.ends == []


def _over_the_wire(frame: Any, features: tuple[str, ...]) -> Any:
    if not isinstance(frame, Batch):
        return decode(encode(frame))
    read = decode(encode(packed(frame, features=features)))
    assert isinstance(read, Packed)
    return unpacked(read)


def raw(kind: str, **fields: Any) -> bytes:
    return msgspec.msgpack.encode({"type": kind, **fields})


def hello(**fields: Any) -> bytes:
    return raw("hello", **({"rep": HUB, "vector": [], "t1_ms": 0} | fields))


def batch(**fields: Any) -> bytes:
    whole = {"rep": HUB, "stream": "sales", "feed": "log", "after": 0, "last": 1, "digest": bytes(8), "rows": b""}
    return raw("batch", **(whole | fields))


NESTED = b"\x91" * 100_000 + b"\x90"
BOMB = zstd.compress(bytes(200 * 1024 * 1024))
UNREADABLE = {
    "a vector of too many": hello(vector=[[HUB, "s", 1, bytes(8)]] * (VECTOR_MAX + 1)),
    "lives without number": hello(former=[[HUB, {}]] * (LIVES_MAX + 1)),
    "a life with too many heads": hello(former=[[HUB, {f"s{n}": n for n in range(VECTOR_MAX + 1)}]]),
    "features without number": hello(features=["f"] * 65),
    "a rep that is a book": hello(rep="x" * 129),
    "a rep of another type": hello(rep=5),
    "a negative seq": raw("ack", rep=HUB, stream="sales", last=-1, digest=bytes(8)),
    "a seq beyond all": raw("ack", rep=HUB, stream="sales", last=SEQ_MAX + 1, digest=bytes(8)),
    "a seq that is text": raw("ack", rep=HUB, stream="sales", last="1", digest=bytes(8)),
    "a digest cut": raw("ack", rep=HUB, stream="sales", last=1, digest=bytes(7)),
    "a stream without a name": raw("pull", rep=HUB, stream="", last=1, digest=bytes(8)),
    "steps without number": batch(feed="state", steps=[1] * 1001),
    "a feed of another kind": batch(feed="heap"),
    "a book of a refusal": raw("refused", code="x" * 201),
    "a word beyond all": raw("refused", code="x", detail="x" * 20_001),
    "deep nesting": b"\x82\xa4type\xa5hello\xa6vector" + NESTED,
    "deep nesting in a field that nobody knows": hello()[:-1] + b"\x00" + b"\xa1x" + NESTED,
    "two maps": hello() + hello(),
    "half a frame": hello()[: len(hello()) // 2],
}


@pytest.mark.parametrize("message", UNREADABLE.values(), ids=[name.replace(" ", "-") for name in UNREADABLE])
def test_a_frame_beyond_its_bounds_is_refused_before_anything_is_built_of_it(message: bytes) -> None:
    assert len(message) < FRAME_MAX
    with pytest.raises(ProtocolError):
        decode(message)


UNPACKABLE = {
    "a compressed bomb": batch(rows=BOMB),
    "a bomb in a bomb": batch(rows=zstd.compress(BOMB)),
    "a billion rows": batch(rows=zstd.compress(msgspec.msgpack.encode([10**9, [], ["c", {}]]))),
    "a billion rows in plain": batch(columns=False, zstd=False, rows=b"\xdd\x3b\x9a\xca\x00"),
    "nested columns": batch(zstd=False, rows=b"\x93\x01\x90" + NESTED),
    "rows that are numbers": batch(columns=False, zstd=False, rows=msgspec.msgpack.encode([1, 2])),
    "more than a frame may unpack to": batch(rows=zstd.compress(msgspec.msgpack.encode([b"x" * (4 * BYTES_MAX)]))),
}


@pytest.mark.parametrize("message", UNPACKABLE.values(), ids=[name.replace(" ", "-") for name in UNPACKABLE])
def test_a_batch_that_unfolds_too_far_is_refused(message: bytes) -> None:
    frame = decode(message)
    assert isinstance(frame, Packed)
    with pytest.raises(ProtocolError):
        unpacked(frame)


def test_a_whole_vector_passes() -> None:
    lives = tuple(FormerLife(f"hk01:{n:016x}", {"sales": n}) for n in range(LIVES_MAX))
    whole = Hello(rep=HUB, vector=(Held(HUB, "s", 1, bytes(8)),) * VECTOR_MAX, t1_ms=0, former=lives)

    assert decode(encode(whole)) == whole and len(encode(whole)) < FRAME_MAX
