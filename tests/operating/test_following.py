"""`storehub follow`: one sale's way by the real logs of a real hub and cloud end."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from hub.monitoring.following import follow, read_lines

Run = Callable[..., tuple[int, str]]


def steps(said: str) -> list[str]:
    """The word of each step, in order."""
    return [line.split()[2] for line in said.splitlines() if not line.startswith("→")]


def test_a_sale_is_followed_from_its_commit_to_the_cloud(morning: Any, storehub: Run) -> None:
    code, said = storehub("follow", morning.sale_id, "--log", str(morning.hub_log), "--log", str(morning.cloud_log))

    assert code == 0, said
    assert steps(said)[0] == "committed"
    assert set(steps(said)) == {"committed", "repeated", "refused", "printed", "sent", "received", "safe"}
    assert "409 other_content at /v1/sales" in said and morning.receipt_no in said
    assert "cloud received" in said and said.index(" sent ") < said.index(" received ") < said.index(" safe ")


def test_the_receipt_number_leads_to_the_same_sale(morning: Any, storehub: Run) -> None:
    logs = ["--log", str(morning.hub_log)]

    assert storehub("follow", morning.receipt_no, *logs) == storehub("follow", morning.sale_id, *logs)


def test_what_has_not_happened_is_named_with_where_to_look(morning: Any, storehub: Run) -> None:
    code, said = storehub("follow", morning.lonely_id, "--log", str(morning.hub_log))

    assert code == 1 and steps(said) == ["committed"]
    assert "→ it was not sent: there is no cloud, or no line to it; `storehub doctor` names the reason" in said
    assert "paper" not in said, "nobody asked for one"


def test_a_sale_that_was_refused_says_why(morning: Any, storehub: Run) -> None:
    code, said = storehub("follow", morning.refused_id, "--log", str(morning.hub_log))

    assert code == 1 and steps(said) == ["refused"] and "422" in said
    assert "never committed here" in said


def test_nothing_is_known_of_another_sale(morning: Any, storehub: Run) -> None:
    code, said = storehub("follow", "no-such-sale", "--log", str(morning.hub_log))

    assert code == 1 and "nothing is said of 'no-such-sale'" in said


def test_the_log_has_no_goods_no_sums_and_no_tokens(morning: Any) -> None:
    log = morning.hub_log.read_text(encoding="utf-8") + morning.cloud_log.read_text(encoding="utf-8")

    assert morning.till_token not in log and "token-0123456789" not in log
    assert not re.search(r"UMBRELLA|1090|Counter", log)
    assert all(json.loads(line)["at"] for line in log.splitlines())


def test_what_was_sent_before_the_loop_heard_of_its_commit_is_told_after_it(morning: Any) -> None:
    lines = read_lines(morning.hub_log.read_text().splitlines())
    recorded = next(line for line in lines if line["message"] == "sale recorded")
    sent = next(line for line in lines if line["message"] == "sales are sent")
    refused = next(
        line for line in lines if line.get("sale") == recorded["sale"] and line["message"] == "request refused"
    )

    told = follow([refused, sent, recorded], morning.sale_id)

    assert [step.what for step in told.steps] == ["refused", "committed", "sent"]


def test_lines_of_the_version_before_are_followed_as_far_as_they_say() -> None:
    at, trail = "2026-11-22T09:14:02.118+00:00", "hub.trail"
    lines = [
        {
            "at": at,
            "logger": trail,
            "message": "sale recorded",
            "sale": "s",
            "receipt_no": "r",
            "till": "t1",
            "seq": 17,
        },
        {"at": at, "logger": trail, "message": "receipt ended", "sale": "s", "job": "sale~s", "state": "printed"},
        {"at": at, "logger": trail, "message": "sales are safe", "peer": "cloud", "after": 16, "upto": 17},
        {"at": at, "logger": trail, "message": "sales are safe", "peer": "cloud", "after": "16", "upto": None},
        {"at": at, "logger": trail, "message": "sale recorded", "sale": ["s"], "seq": {}},
    ]

    told = follow(read_lines([json.dumps(line) for line in lines]), "s")

    assert ([step.what for step in told.steps], told.missing) == (["committed", "printed", "safe"], [])


@pytest.mark.parametrize("torn", ["", "{", '{"at": 1}', "Nov 22 hub storehub[7]: started", "[1]"])
def test_lines_of_others_are_passed_over(morning: Any, storehub: Run, tmp_path: Any, torn: str) -> None:
    mixed = tmp_path / "journal"
    own = [f"Nov 22 10:00:00 hk01 storehub[71]: {line}" for line in morning.hub_log.read_text().splitlines()]
    mixed.write_text("\n".join([torn, *own, torn]))

    assert storehub("follow", morning.sale_id, "--log", str(mixed)) == storehub(
        "follow", morning.sale_id, "--log", str(morning.hub_log)
    )
