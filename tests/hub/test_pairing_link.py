"""What `storehub pair` draws: read back block by block, it is the code that segno makes of the link."""

import segno
from hypothesis import given
from hypothesis import strategies as st

from hub.pairing_link import spelled, terminal_qr

DARK = {"█": (False, False), "▀": (False, True), "▄": (True, False), " ": (True, True)}


@given(st.text(alphabet="abcdef0123456789ABC:/#=&.", min_size=1, max_size=150))
def test_the_drawn_code_is_the_code_of_the_link(link: str) -> None:
    lines = terminal_qr(link).split("\n")
    read = [[DARK[block][half] for block in line] for line in lines for half in (0, 1)]
    wanted = [list(map(bool, row)) for row in segno.make(link, error="l", micro=False).matrix_iter(border=2)]
    assert read[: len(wanted)] == wanted
    assert not any(any(row) for row in read[len(wanted) :])


def test_with_colours_each_line_is_white_on_black_and_ends_so() -> None:
    for line in terminal_qr("http://192.168.1.20:8443/pair", has_colours=True).split("\n"):
        assert line.startswith("\x1b[97;40m") and line.endswith("\x1b[0m")


def test_a_fingerprint_is_spelled_as_openssl_and_tablets_do() -> None:
    assert spelled("24031ce0") == "24:03:1C:E0"
    assert spelled("") == ""
