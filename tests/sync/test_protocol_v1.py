"""Shops are upgraded one by one: a peer of the released version 1 in both roles, peers that can do less, and later ones."""

from typing import Any

import pytest
from msgspec.structs import replace

from sync import session as sessions
from sync.batch import START, Boundary
from sync.errors import ProtocolError
from sync.model import Feed
from sync.protocol import (
    FEATURES,
    VERSION,
    Ack,
    Hello,
    HelloOk,
    Packed,
    Pull,
    Refused,
    Unknown,
    decode,
    encode,
    packed,
    unpacked,
)
from sync.session import Apply, Effect, End, Load, Opened, Send, Session
from sync.testing.memory_books import MemoryBooks
from tests.sync import version_1
from tests.sync.version_1 import CATALOGUE, CLOUD, GOLDEN, HUB, SALES

FRAMES = {name: bytes.fromhex(text) for name, text in GOLDEN.items()}


def run(coroutine: Any) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("books in memory do not wait")


class Today:
    """A session of today; `said` is what it puts on the wire, as bytes."""

    def __init__(self, role: Any, books: MemoryBooks, **options: Any) -> None:
        self.books, self.session = books, Session(role, books, **options)
        self.said: list[bytes] = []
        self.ends: list[End] = []
        self.opened: list[Opened] = []
        self.now_ms = 0
        self.carry_out(self.session.start(0, wall_ms=1_790_000_000_000))

    def carry_out(self, effects: list[Effect]) -> None:
        todo = list(effects)
        while todo:
            effect = todo.pop(0)
            if isinstance(effect, Send):
                frame = effect.frame
                is_batch = not hasattr(frame, "__struct_config__") or frame.__struct_config__.tag is None
                self.said.append(encode(packed(frame, features=self.session.features) if is_batch else frame))
            elif isinstance(effect, Load):
                loading = self.books.load(effect.head, effect.after, effect.rows_max, batches_max=effect.batches_max)
                todo += self.session.loaded(run(loading), self.now_ms)
            elif isinstance(effect, Apply):
                todo += self.session.applied(effect.batch, run(self.books.apply(effect.batch)))
            elif isinstance(effect, End):
                self.ends.append(effect)
            elif isinstance(effect, Opened):
                self.opened.append(effect)

    def hear(self, message: bytes) -> None:
        frame = decode(message)
        heard = unpacked(frame) if isinstance(frame, Packed) else frame
        self.carry_out(self.session.receive(heard, self.now_ms, wall_ms=1_790_000_000_000))

    def let_pass(self, ms: int) -> None:
        self.now_ms += ms
        self.carry_out(self.session.tick(self.now_ms))

    def take_said(self) -> list[Any]:
        """What was said since, as a peer of version 1 reads it."""
        said, self.said = [version_1.decode(message) for message in self.said], []
        return said


def hub() -> MemoryBooks:
    books = MemoryBooks(HUB)
    for _, row in SALES.rows:
        books.write("sales", row)
    return books


def cloud() -> MemoryBooks:
    books = MemoryBooks(CLOUD)
    books.write("catalogue", CATALOGUE.rows[0][1], feed=Feed.STATE)
    gone = books.write("catalogue", b"{}", feed=Feed.STATE)
    books.write("catalogue", CATALOGUE.rows[1][1], feed=Feed.STATE, replaces=gone)
    return books


def test_every_frame_of_version_1_is_read_as_what_it_was() -> None:
    read = {name: decode(message) for name, message in FRAMES.items()}

    assert isinstance(read["hello"], Hello) and read["hello"].vector[0].boundary == CATALOGUE.end
    assert read["hello"].features == ("columns", "zstd") and read["hello"].former == ()
    assert isinstance(read["hello_ok"], HelloOk) and read["hello_ok"].vector[0].boundary == SALES.end
    assert (read["hello_ok"].mode, read["hello_ok"].sealed) == ("", ())
    assert read["ack_sales"] == Ack(HUB, "sales", 2, SALES.digest)
    assert read["pull"] == Pull(HUB, "sales", 0, bytes(8))
    assert isinstance(read["refused"], Refused) and read["refused"].code == "fork"
    batches = [read["batch_log"], read["batch_state"]]
    assert [unpacked(each) for each in batches if isinstance(each, Packed)] == [SALES, CATALOGUE]


def test_a_hub_of_today_talks_to_a_cloud_of_version_1() -> None:
    today = Today("dialler", hub())
    (hello,) = today.take_said()
    today.hear(FRAMES["hello_ok_new"])
    (batch,) = today.take_said()
    today.hear(FRAMES["ack_sales"])
    today.hear(FRAMES["batch_state"])
    (ack,) = today.take_said()

    assert isinstance(hello, version_1.Hello) and (hello.version, hello.rep) == (1, HUB)
    assert isinstance(batch, version_1.Packed) and version_1.rows_of(batch) == [row for _, row in SALES.rows]
    assert version_1.boundary(ack) == CATALOGUE.end
    assert today.books.rows_of(CLOUD, "catalogue") == dict(CATALOGUE.rows)
    assert today.opened[0].schedule is None and today.ends == []


def test_a_cloud_of_today_talks_to_a_hub_of_version_1() -> None:
    today = Today("acceptor", cloud())
    today.hear(FRAMES["hello_new"])
    ok, batch = today.take_said()
    today.hear(FRAMES["batch_log"])
    today.hear(
        version_1.encode(version_1.Ack(CLOUD, "catalogue", batch.last, batch.digest))
    )  # the digest is the writer's
    (ack,) = today.take_said()
    today.hear(version_1.encode(version_1.Pull(CLOUD, "catalogue", 0, bytes(8))))
    (again,) = today.take_said()

    assert isinstance(ok, version_1.HelloOk) and ok.rep == CLOUD
    assert version_1.rows_of(batch) == version_1.rows_of(again) == [row for _, row in CATALOGUE.rows]
    assert batch.steps == (1, 2)
    assert version_1.boundary(ack) == SALES.end
    assert today.books.rows_of(HUB, "sales") == dict(SALES.rows)


def test_each_side_is_told_by_version_1_that_it_forked() -> None:
    today = Today("dialler", hub())
    today.hear(FRAMES["hello_ok_new"])
    today.hear(FRAMES["refused"])

    assert [(end.code, end.is_ours, end.peer) for end in today.ends] == [("fork", False, CLOUD)]


def test_a_peer_of_version_1_hears_no_bye_and_is_left_when_it_is_quiet() -> None:
    today = Today("dialler", hub())
    today.hear(FRAMES["hello_ok_new"])
    today.carry_out(today.session.finish(today.now_ms))
    today.hear(FRAMES["ack_sales"])
    today.let_pass(1000)
    today.hear(FRAMES["batch_state"])
    today.let_pass(sessions.QUIET_MS)
    assert today.ends == [], "it may have more"
    today.let_pass(1)

    assert [end.code for end in today.ends] == ["done"]
    assert {type(frame) for frame in today.take_said()} == {version_1.Hello, version_1.Packed, version_1.Ack}


@pytest.mark.parametrize("features", [(), ("columns",), ("zstd",), ("columns", "zstd"), ("zstd", "telepathy")])
def test_rows_are_packed_as_the_peer_can_read_them(features: tuple[str, ...]) -> None:
    today = Today("dialler", hub())
    today.hear(encode(HelloOk(rep=CLOUD, features=features, vector=(), t1_ms=0, t2_ms=0, t3_ms=0)))
    batch = decode(today.said[-1])

    assert isinstance(batch, Packed)
    assert (batch.columns, batch.zstd) == ("columns" in features, "zstd" in features)
    assert unpacked(batch) == SALES
    assert today.session.features == set(features) & set(FEATURES)


@pytest.mark.parametrize("feed", Feed)
@pytest.mark.parametrize("features", [(), ("columns",), ("zstd",)])
def test_every_packing_comes_back(features: tuple[str, ...], feed: Feed) -> None:
    batch = replace(SALES, feed=feed)
    assert unpacked(decode(encode(packed(batch, features=features)))) == batch  # type: ignore[arg-type]


@pytest.mark.parametrize("rows", [b"", b"\xc1", b"\x81\x01\x02", b"\x91\x01", b"\xdd\x00\xff\xff\xff" + bytes(9)])
def test_plain_rows_that_are_none_are_refused(rows: bytes) -> None:
    with pytest.raises(ProtocolError):
        unpacked(replace(packed(SALES, features=()), rows=rows))


def later(role: str, **fields: Any) -> bytes:
    frame = {
        "hello": Hello(rep=HUB, vector=(), t1_ms=0),
        "hello_ok": HelloOk(rep=CLOUD, vector=(), t1_ms=0, t2_ms=0, t3_ms=0),
    }[role]
    return encode(replace(frame, **fields))


@pytest.mark.parametrize(("role", "greeting"), [("acceptor", "hello"), ("dialler", "hello_ok")])
def test_a_later_peer_that_still_speaks_our_version_is_welcome_and_its_new_frames_are_skipped(
    role: str, greeting: str
) -> None:
    today = Today(role, hub() if role == "dialler" else cloud())
    today.hear(later(greeting, version=VERSION + 6, min_version=VERSION, features=(*FEATURES, "telepathy")))
    today.said.clear()
    today.hear(b"\x82\xa4type\xa8telepath\xa4mind\x01")

    assert today.opened and today.ends == [] and today.said == []


@pytest.mark.parametrize(("role", "greeting"), [("acceptor", "hello"), ("dialler", "hello_ok")])
def test_a_peer_that_speaks_only_later_versions_is_told_who_must_be_upgraded(role: str, greeting: str) -> None:
    today = Today(role, hub() if role == "dialler" else cloud())
    today.hear(later(greeting, version=VERSION + 6, min_version=VERSION + 2))

    assert [end.code for end in today.ends] == ["version"]
    assert (
        today.ends[0].detail.endswith("upgrade this side") and f"{VERSION + 2} to {VERSION + 6}" in today.ends[0].detail
    )
    assert decode(today.said[-1]) == Refused("version", today.ends[0].detail)


@pytest.mark.parametrize(("role", "greeting"), [("acceptor", "hello"), ("dialler", "hello_ok")])
def test_a_peer_that_speaks_only_older_versions_is_told_to_be_upgraded(role: str, greeting: str) -> None:
    today = Today(role, hub() if role == "dialler" else cloud())
    today.hear(later(greeting, version=0))

    assert [end.code for end in today.ends] == ["version"] and today.ends[0].detail.endswith("upgrade the peer")


def test_a_peer_of_our_version_does_not_speak_in_unknown_frames() -> None:
    today = Today("dialler", hub())
    today.hear(FRAMES["hello_ok_new"])
    today.hear(b"\x81\xa4type\xa8telepath")

    assert [end.code for end in today.ends] == ["unexpected"]


@pytest.mark.parametrize(
    "message", [b"\x81\xa4type\x01", b"\x81\xa4kind\xa8telepath", b"\x91\xa8telepath", b"\x81\xa4type\xa3ack"]
)
def test_what_has_no_kind_of_its_own_is_no_frame(message: bytes) -> None:
    assert decode(b"\x81\xa4type\xa8telepath") == Unknown("telepath")
    with pytest.raises(ProtocolError):
        decode(message)


def test_the_start_is_what_version_1_calls_it() -> None:
    assert Boundary(0, bytes(8)) == START


@pytest.mark.parametrize("features", [("columns", "zstd"), FEATURES])
def test_what_was_sealed_meanwhile_is_told_to_whoever_can_hear_it(features: tuple[str, ...]) -> None:
    today = Today("acceptor", cloud())
    today.hear(encode(Hello(rep=HUB, features=features, vector=(), t1_ms=0)))
    today.said.clear()
    today.books.sealed_reps.append("hk01:00000000000000ff")
    today.carry_out(today.session.lives_ended())

    assert len(today.said) == ("lives" in features)
