"""Every way a node can fail has one reason word and one remedy; errors are the kernel's own where it can be made to say them."""

import errno
import os
import re
from pathlib import Path

import pytest

from devices import remedies
from devices.remedies import BY_ERRNO, Remedy, remedied, wire_error


def test_a_node_that_is_not_there_is_said_to_be_away(tmp_path: Path) -> None:
    node = f"{tmp_path}/lp0"
    with pytest.raises(OSError) as caught:
        os.open(node, os.O_RDWR)
    said = wire_error(node, caught.value, subsystem="usbmisc")
    assert said.reason == "not_attached" and str(said).startswith(f"{node} is not there: plug it in")


def test_a_port_that_hung_up_is_gone() -> None:
    master, slave = os.openpty()
    os.close(master)
    with pytest.raises(OSError) as caught:
        os.write(slave, b"x")
    os.close(slave)
    assert caught.value.errno == errno.EIO
    assert "is gone" in str(wire_error("/dev/ttyACM0", caught.value))
    assert wire_error("/dev/usb/lp0", caught.value, subsystem="usbmisc").reason == "io_error"


@pytest.mark.parametrize(
    ("subsystem", "group"), [("tty", "dialout"), ("input", "input"), ("usbmisc", "lp"), ("bluetooth", "bluetooth")]
)
def test_a_forbidden_node_names_the_group_that_may(subsystem: "remedies.Subsystem", group: str) -> None:
    said = wire_error("/dev/x", PermissionError(errno.EACCES, "Permission denied"), subsystem=subsystem)
    assert said.reason == "permission_denied" and f"group `{group}`" in str(said)


def test_an_error_nobody_thought_of_is_told_as_the_kernel_says_it() -> None:
    assert str(wire_error("/dev/x", OSError(errno.ENOSPC, "No space left on device"))) == (
        "/dev/x fails: No space left on device"
    )


def test_every_remedy_is_a_stable_word_and_something_to_do() -> None:
    named = [each for each in vars(remedies).values() if isinstance(each, Remedy)]
    assert set(BY_ERRNO.values()) <= set(named)
    for each in named:
        assert re.fullmatch(r"[a-z_]+", each.reason) and re.search(r"[:;] ", each.words)
        assert each is remedies.UNREADABLE or "{" not in str(remedied("/dev/x", each))
