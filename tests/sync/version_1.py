"""Version 1 of the protocol as it was released: its frames as bytes, written down once, and a peer that knows nothing later.

Frozen: a change here is a break with shops that are not upgraded. `bye`, plain packing, modes and lives came later.
"""

from itertools import pairwise

import msgspec
from backports import zstd
from msgspec import Struct

from sync.batch import START, Batch, Boundary, batch_of, rolled
from sync.columns import pack, unpack
from sync.digest import EMPTY
from sync.model import Feed

HUB, CLOUD = "hk01:00000000000000aa", "cloud:00000000000000bb"
SALES = batch_of(
    *(HUB, "sales", Feed.LOG, START),
    [(1, b'{"id":"s-1","qty":1,"total":1090}'), (2, b'{"id":"s-2","qty":2,"total":2180}')],
)
_PRODUCTS = ((1, b'{"sku":"A","n":1}'), (3, b'{"sku":"B","n":2}'))
CATALOGUE = Batch(
    CLOUD, "catalogue", Feed.STATE, 0, 3, rolled(EMPTY, _PRODUCTS), _PRODUCTS
)  # as that version rolled it
GOLDEN = {
    "hello": (
        "87a474797065a568656c6c6fa776657273696f6e01a3726570b5686b30313a30303030303030303030303030306161a67363"
        "68656d6101a8666561747572657392a7636f6c756d6e73a47a737464a6766563746f729194b6636c6f75643a303030303030"
        "30303030303030306262a9636174616c6f67756503c4085aff40dbb2dbdf74a574315f6d73cf000001a0c4506c00"
    ),
    "hello_new": (
        "87a474797065a568656c6c6fa776657273696f6e01a3726570b5686b30313a30303030303030303030303030306161a67363"
        "68656d6101a8666561747572657392a7636f6c756d6e73a47a737464a6766563746f7290a574315f6d73cf000001a0c4506c"
        "00"
    ),
    "hello_ok": (
        "89a474797065a868656c6c6f5f6f6ba776657273696f6e01a3726570b6636c6f75643a303030303030303030303030303062"
        "62a6736368656d6101a8666561747572657392a7636f6c756d6e73a47a737464a6766563746f729194b5686b30313a303030"
        "30303030303030303030306161a573616c657302c408091f1150ff3dcd6da574315f6d73cf000001a0c4506c00a574325f6d"
        "73cf000001a0c4506df4a574335f6d73cf000001a0c4506df4"
    ),
    "hello_ok_new": (
        "89a474797065a868656c6c6f5f6f6ba776657273696f6e01a3726570b6636c6f75643a303030303030303030303030303062"
        "62a6736368656d6101a8666561747572657392a7636f6c756d6e73a47a737464a6766563746f7290a574315f6d73cf000001"
        "a0c4506c00a574325f6d73cf000001a0c4506df4a574335f6d73cf000001a0c4506df4"
    ),
    "batch_log": (
        "89a474797065a56261746368a3726570b5686b30313a30303030303030303030303030306161a673747265616da573616c65"
        "73a466656564a36c6f67a5616674657200a46c61737402a6646967657374c408091f1150ff3dcd6da4726f7773c44f28b52f"
        "fd2056350200c40393029095a16f9193a26964a3717479a5746f74616c92a163009395a173a2732d91a13092a16300919194"
        "a1690101c4020001cd044202c404004200040200b170a392271ea5737465707390"
    ),
    "batch_state": (
        "89a474797065a56261746368a3726570b6636c6f75643a30303030303030303030303030306262a673747265616da9636174"
        "616c6f677565a466656564a57374617465a5616674657200a46c61737403a6646967657374c4085aff40dbb2dbdf74a4726f"
        "7773c44128b52ffd2038c1010093029095a16f9192a3736b75a16e92a1630092a3736b75a16e9295a173a092a141a14294a1"
        "690001c402000192909094a1690101c4020001a57374657073920102"
    ),
    "ack_sales": (
        "85a474797065a361636ba3726570b5686b30313a30303030303030303030303030306161a673747265616da573616c6573a4"
        "6c61737402a6646967657374c408091f1150ff3dcd6d"
    ),
    "ack_catalogue": (
        "85a474797065a361636ba3726570b6636c6f75643a30303030303030303030303030306262a673747265616da9636174616c"
        "6f677565a46c61737403a6646967657374c4085aff40dbb2dbdf74"
    ),
    "pull": (
        "85a474797065a470756c6ca3726570b5686b30313a30303030303030303030303030306161a673747265616da573616c6573"
        "a46c61737400a6646967657374c4080000000000000000"
    ),
    "refused": (
        "83a474797065a772656675736564a4636f6465a4666f726ba664657461696cd946686b30313a303030303030303030303030"
        "303061612073616c65733a20746865207065657220686f6c647320392c20776869636820776173206e65766572206f666665"
        "726564"
    ),
}


class Held(Struct, frozen=True, array_like=True):
    rep: str
    stream: str
    last: int
    digest: bytes


class Hello(Struct, frozen=True, tag="hello", kw_only=True):
    version: int = 1
    rep: str
    schema: int = 1
    features: tuple[str, ...] = ("columns", "zstd")
    vector: tuple[Held, ...]
    t1_ms: int


class HelloOk(Struct, frozen=True, tag="hello_ok", kw_only=True):
    version: int = 1
    rep: str
    schema: int = 1
    features: tuple[str, ...] = ("columns", "zstd")
    vector: tuple[Held, ...]
    t1_ms: int
    t2_ms: int
    t3_ms: int


class Pull(Struct, frozen=True, tag="pull"):
    rep: str
    stream: str
    last: int
    digest: bytes


class Packed(Struct, frozen=True, tag="batch"):
    rep: str
    stream: str
    feed: Feed
    after: int
    last: int
    digest: bytes
    rows: bytes
    steps: tuple[int, ...] = ()


class Ack(Struct, frozen=True, tag="ack"):
    rep: str
    stream: str
    last: int
    digest: bytes


class Refused(Struct, frozen=True, tag="refused"):
    code: str
    detail: str = ""


Frame = Hello | HelloOk | Pull | Packed | Ack | Refused
_decoder = msgspec.msgpack.Decoder(Frame)


def encode(frame: Frame) -> bytes:
    return msgspec.msgpack.encode(frame)


def decode(message: bytes) -> Frame:
    """As it was: a kind that it does not know is an error."""
    return _decoder.decode(message)


def packed(batch: Batch) -> Packed:
    rows = zstd.compress(pack([row for _, row in batch.rows]), 3)
    seqs = [batch.after, *(seq for seq, _ in batch.rows)]
    steps = () if batch.feed is Feed.LOG else tuple(later - earlier for earlier, later in pairwise(seqs))
    return Packed(batch.rep, batch.stream, batch.feed, batch.after, batch.last, batch.digest, rows, steps)


def rows_of(frame: Packed) -> list[bytes]:
    return unpack(zstd.decompress(frame.rows), rows_max=1000)


def boundary(held: Held | Ack | Pull) -> Boundary:
    return Boundary(held.last, held.digest)
