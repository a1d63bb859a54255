"""Status answers: told apart by their fixed bits, decoded by the Epson reference."""

import pytest

from devices.codecs.printing.escpos_status import AnswerReader, PrinterStatus, decode_status, realtime_status_request


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
        ({1: 0x1A, 2: 0x52, 3: 0x32}, "printer_error"),
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

    assert kinds == ["stray"] * 4 + ["ordered", "realtime"]


def test_a_real_time_answer_inside_an_automatic_status_is_not_lost() -> None:
    assert [kind for kind, _ in AnswerReader().feed(b"\x10\x12\x00")] == ["stray", "realtime", "ordered"]


def test_the_request_is_dle_eot() -> None:
    assert realtime_status_request(4) == b"\x10\x04\x04"
