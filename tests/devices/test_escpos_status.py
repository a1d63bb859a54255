"""Status answers: told apart by their fixed bits, decoded by the Epson reference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.printing.escpos_status import (
    AnswerReader,
    PrinterStatus,
    decode_automatic,
    decode_status,
    realtime_status_request,
)


def test_a_healthy_printer_can_print() -> None:
    assert decode_status({1: 0x12, 2: 0x12, 3: 0x12, 4: 0x12}) == PrinterStatus()
    assert PrinterStatus().can_print


@pytest.mark.parametrize(
    ("answers", "trouble"),
    [
        ({1: 0x1A, 2: 0x16}, "cover_open"),
        ({1: 0x1A, 2: 0x32, 4: 0x7E}, "paper_out"),
        ({4: 0x72}, "paper_out"),
        ({1: 0x1A, 2: 0x52, 3: 0x1A}, "cutter_error"),
        ({1: 0x1A, 2: 0x52, 3: 0x32}, "printer_fault"),
        ({1: 0x1A, 2: 0x52}, "printer_error"),
        ({1: 0x1A}, "printer_offline"),
        ({1: 0x1A, 2: 0x36, 4: 0x7E}, "cover_open"),
    ],
)
def test_what_keeps_a_printer_from_printing_has_a_name(answers: dict[int, int], trouble: str) -> None:
    assert decode_status(answers).trouble == trouble


def test_paper_near_its_end_still_prints() -> None:
    status = decode_status({4: 0x1E})

    assert status.paper_near_end
    assert status.can_print


def test_the_drawer_switch_is_read() -> None:
    assert decode_status({1: 0x16}).drawer_pin_high


def test_answers_are_told_apart_by_their_fixed_bits() -> None:
    kinds = [kind for kind, _ in AnswerReader().feed(b"\x12\x00\x1a\x0c\x11\x13\xff")]

    assert kinds == ["realtime", "ordered", "realtime", "ordered", "stray", "stray", "stray"]


def test_an_automatic_status_is_not_taken_for_an_answer_even_in_pieces() -> None:
    answers = AnswerReader()

    kinds = [kind for piece in (b"\x10\x00", b"\x00\x00", b"\x00\x16") for kind, _ in answers.feed(piece)]

    assert kinds == ["automatic", "ordered", "realtime"]


def test_a_real_time_answer_inside_an_automatic_status_is_not_lost() -> None:
    assert [kind for kind, _ in AnswerReader().feed(b"\x10\x12\x00")] == ["stray", "realtime", "ordered"]


def test_the_request_is_dle_eot() -> None:
    assert realtime_status_request(4) == b"\x10\x04\x04"


@pytest.mark.parametrize(
    ("four", "trouble"),
    [
        (b"\x10\x00\x00\x00", ""),
        (b"\x38\x00\x00\x00", "cover_open"),
        (b"\x18\x00\x0f\x00", "paper_out"),
        (b"\x18\x08\x00\x00", "cutter_error"),
        (b"\x18\x20\x00\x00", "printer_fault"),
        (b"\x18\x40\x00\x00", "printer_error"),
    ],
)
def test_an_automatic_status_says_what_questions_would(four: bytes, trouble: str) -> None:
    ((kind, answer),) = AnswerReader().feed(four)

    assert kind == "automatic"
    assert decode_automatic(answer).trouble == trouble
    assert decode_automatic(b"\x14\x00\x00\x00").drawer_pin_high


@given(st.lists(st.binary(max_size=8), max_size=40))
def test_any_bytes_in_any_pieces_are_sorted_alike_and_none_is_lost(pieces: list[bytes]) -> None:
    reader, whole = AnswerReader(), AnswerReader()
    by_piece = [found for piece in pieces for found in reader.feed(piece)]

    assert by_piece == list(whole.feed(b"".join(pieces)))
    sent = b"".join(pieces)
    sorted_bytes = b"".join(answer for _, answer in by_piece)
    assert sent.startswith(sorted_bytes)
    assert len(sent) - len(sorted_bytes) < 4
