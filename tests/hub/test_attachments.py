"""What the hub makes of plugs: a device is remembered, its replacement is noticed, a person lets it take over, and undoes it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from devices.driver import Driver, DriverOptions
from devices.plug.attachment import Attached, AttachmentError, Match
from devices.supervision.outside import DeviceSpec
from devices.testing.sockets import SimulatedSockets
from hub.attachments import Attachments
from hub.errors import ConflictError, HubError, NotFoundError, RefusedError
from hub.store.staff.audit_trail import TrailFilter, trail_page

NOW_MS = 1_790_000_000_000
LANE1, LANE2 = Match(vendor="05e0", product="1200", serial="S1"), Match(vendor="05e0", product="1200", serial="S2")


class Options(DriverOptions, frozen=True):
    usb: Match | None = None
    port: str | None = None


async def run(*_: Any) -> None: ...


def spec(device_id: str, **options: Any) -> DeviceSpec:
    return DeviceSpec(device_id, "made_up", Driver("Scanner", "", "", Options, run), Options(**options))


def scanner(serial: str, node: str = "/dev/ttyACM0", **changes: Any) -> Attached:
    told = {"vendor": "05e0", "product": "1200", "port_path": f"usb-{node[-1]}", "subsystem": "tty"}
    return Attached(**{**told, "node": node, "serial": serial, **changes})


class Plugs:
    """A hub's attachments over simulated sockets; `restart` is the hub starting anew on the same database."""

    def __init__(self, store: Any) -> None:
        self.store, self.sockets = store, SimulatedSockets()
        self.specs = [spec("lane1", usb=LANE1), spec("lane2", usb=LANE2), spec("scale", port="/dev/ttyS0")]
        self.told: list[tuple[str, str]] = []
        self.woken: list[str] = []
        self.restart()

    def restart(self) -> None:
        self.attachments = Attachments(self.store.db, self.specs, now_ms=lambda: NOW_MS, tell=self.tell)
        self.attachments.machine = self.sockets

    def tell(self, kind: str, data: dict[str, Any]) -> None:
        assert (kind, data["code"]) == ("alarm", "replacement")
        self.told.append((data["device_id"], data["attached"]["node"]))

    def plugged(self, attached: Attached) -> None:
        self.woken.append(attached.node)

    def wake(self, device_id: str) -> None:
        self.woken.append(device_id)

    def reopen(self, device_id: str) -> None:
        self.woken.append(f"{device_id} anew")

    def opens(self, device_id: str = "lane1", match: Match = LANE1) -> str:
        """Return the node that a driver is told to open, or the reason word."""
        try:
            return self.attachments.attached(device_id, match, "tty").node
        except AttachmentError as err:
            return err.reason

    def offered(self) -> list[tuple[str, str, str]]:
        return [(each.device_id, each.attached.node, each.likeness) for each in self.attachments.offers()]

    async def written(self) -> None:
        """Wait for what was handed to the writer."""
        await self.store.db.write(lambda tx: None)


@pytest.fixture
def plugs(store: Any) -> Plugs:
    return Plugs(store)


async def test_a_missing_scanner_is_offered_another_of_its_model_and_who_is_there_is_not(plugs: Plugs) -> None:
    plugs.sockets.plug(scanner("S2"))
    plugs.sockets.plug(scanner("S9", "/dev/ttyACM1"))
    assert [plugs.opens(), plugs.opens("lane2", LANE2)] == ["not_attached", "/dev/ttyACM0"]
    assert plugs.offered() == [("lane1", "/dev/ttyACM1", "same_model")]


def test_another_make_is_offered_only_when_it_was_plugged_in_since(plugs: Plugs) -> None:
    plugs.sockets.plug(scanner("K1", "/dev/ttyACM5", vendor="1111"))
    assert plugs.opens() == "not_attached"
    with plugs.attachments.watching(plugs):
        assert plugs.offered() == []
        plugs.sockets.plug(scanner("K2", "/dev/ttyACM6", vendor="2222"))
        plugs.sockets.plug(scanner("L", "/dev/usb/lp0", vendor="3333", subsystem="usbmisc"))
        assert plugs.offered() == [("lane1", "/dev/ttyACM6", "same_kind")]
        assert plugs.told == [("lane1", "/dev/ttyACM6")]
        plugs.opens()
        assert len(plugs.told) == 1
        plugs.sockets.pull("/dev/ttyACM6")
        plugs.opens()
        plugs.sockets.plug(scanner("K2", "/dev/ttyACM6", vendor="2222"))
    assert plugs.told == [("lane1", "/dev/ttyACM6")] * 2


async def test_a_node_of_another_kind_is_nobodys_though_the_same_words_fit_it(plugs: Plugs) -> None:
    """A scanner with a port of both kinds, or two models of a vendor: `usb` means the kind that its driver opens."""
    plugs.specs = [spec("lane1", usb=Match(vendor="05e0")), spec("lane2", usb=LANE2)]
    plugs.restart()
    plugs.sockets.plug(scanner("S1"))
    plugs.sockets.plug(scanner("K1", "/dev/input/event3", subsystem="input"))
    assert plugs.opens(match=Match(vendor="05e0")) == "/dev/ttyACM0"
    with pytest.raises(AttachmentError):
        plugs.attachments.attached("lane2", LANE2, "input")

    assert {each.attached.node: each.device_id for each in plugs.attachments.views()} == {
        "/dev/ttyACM0": "lane1",
        "/dev/input/event3": None,
    }
    assert plugs.offered() == [("lane2", "/dev/input/event3", "same_model")]


async def test_what_a_device_was_is_remembered_over_a_restart(plugs: Plugs) -> None:
    by_plug = Match(port_path="usb-0")
    plugs.specs = [spec("lane1", usb=by_plug)]
    plugs.restart()
    plugs.sockets.plug(scanner(""))
    assert plugs.opens(match=by_plug) == "/dev/ttyACM0"
    await plugs.written()
    plugs.sockets.pull("/dev/ttyACM0")
    plugs.restart()
    plugs.sockets.plug(scanner("", "/dev/ttyACM3"))
    assert plugs.opens(match=by_plug) == "not_attached"
    assert plugs.offered() == [("lane1", "/dev/ttyACM3", "same_model")]


async def test_the_replacement_is_opened_from_the_moment_it_takes_over_and_after_a_restart(plugs: Plugs) -> None:
    plugs.sockets.plug(scanner("S9", "/dev/ttyACM1"))
    with plugs.attachments.watching(plugs):
        plugs.opens()
        taken = await plugs.attachments.take_over("lane1", "/dev/ttyACM1", actor="till:m1")
        assert (taken.usb, plugs.woken) == (Match(vendor="05e0", product="1200", serial="S9"), ["lane1 anew"])
        assert plugs.opens() == "/dev/ttyACM1" and plugs.offered() == []
        plugs.sockets.pull("/dev/ttyACM1")
        plugs.sockets.plug(scanner("S9", "/dev/ttyACM7"))
        assert plugs.woken[1:] == ["/dev/ttyACM7", "lane1"]
    plugs.restart()
    assert plugs.opens() == "/dev/ttyACM7"


async def test_taking_over_is_undone_and_both_are_in_the_trail_once(plugs: Plugs) -> None:
    plugs.sockets.plug(scanner("S9", "/dev/ttyACM1"))
    plugs.opens()
    first = await plugs.attachments.take_over("lane1", "/dev/ttyACM1", actor="till:m1")
    assert await plugs.attachments.take_over("lane1", "/dev/ttyACM1", actor="till:m2") == first
    plugs.sockets.plug(scanner("S1"))
    assert plugs.opens() == "/dev/ttyACM1"
    for _ in range(2):
        await plugs.attachments.put_back("lane1", actor="till:m1")
    assert plugs.opens() == "/dev/ttyACM0"
    trail = trail_page(plugs.store.db.read, TrailFilter(subject="lane1"), after="", limit=10)
    assert [(each.action, each.actor) for each in trail.items] == [
        ("device_put_back", "till:m1"),
        ("device_replaced", "till:m1"),
    ]


async def test_the_old_one_is_used_again_while_its_replacement_is_away(plugs: Plugs) -> None:
    plugs.sockets.plug(scanner("S9", "/dev/ttyACM1"))
    plugs.opens()
    await plugs.attachments.take_over("lane1", "/dev/ttyACM1", actor="machine")
    plugs.sockets.pull("/dev/ttyACM1")
    assert plugs.opens() == "not_attached"
    plugs.sockets.plug(scanner("S1"))
    assert plugs.opens() == "/dev/ttyACM0"


async def test_a_configuration_that_names_another_device_has_the_last_word(plugs: Plugs) -> None:
    plugs.sockets.plug(scanner("S9", "/dev/ttyACM1"))
    plugs.opens()
    await plugs.attachments.take_over("lane1", "/dev/ttyACM1", actor="machine")
    plugs.sockets.plug(scanner("S3"))
    now = Match(serial="S3")
    plugs.specs[0] = spec("lane1", usb=now)
    plugs.restart()
    assert plugs.opens(match=now) == "/dev/ttyACM0" and plugs.attachments.take_overs() == {}


@pytest.mark.parametrize(
    ("device_id", "node", "error", "code"),
    [
        ("lane9", "/dev/ttyACM1", NotFoundError, "device"),
        ("lane1", "/dev/ttyACM8", NotFoundError, "attached"),
        ("lane1", "/dev/usb/lp0", RefusedError, "other_kind"),
        ("lane1", "/dev/ttyACM2", ConflictError, "attached_in_use"),
        ("lane1", "/dev/ttyS0", ConflictError, "attached_in_use"),
        ("lane1", "/dev/ttyS1", RefusedError, "nameless"),
        ("scale", "/dev/ttyACM1", RefusedError, "not_by_usb"),
    ],
)
async def test_what_cannot_take_over_is_refused(
    plugs: Plugs, device_id: str, node: str, error: type[HubError], code: str
) -> None:
    for each in (scanner("S9", "/dev/ttyACM1"), scanner("S2", "/dev/ttyACM2"), scanner("", "/dev/ttyS0")):
        plugs.sockets.plug(each)
    plugs.sockets.plug(scanner("L", "/dev/usb/lp0", subsystem="usbmisc"))
    plugs.sockets.plug(scanner("", "/dev/ttyS1", vendor="", product="", port_path=""))
    plugs.opens()
    with pytest.raises(error) as caught:
        await plugs.attachments.take_over(device_id, node, actor="machine")
    assert caught.value.code == code and plugs.opens() == "not_attached"


def test_a_machine_that_cannot_tell_says_so_once_and_offers_nothing(
    plugs: Plugs, caplog: pytest.LogCaptureFixture
) -> None:
    class Blind:
        def attached(self) -> list[Attached]:
            raise AttachmentError("libudev is not there", reason="no_udev")

        def watching(self, *_: Callable[..., Awaitable[None]]) -> Any:
            raise AttachmentError("libudev is not there", reason="no_udev")

    plugs.attachments.machine = Blind()
    with plugs.attachments.watching(plugs):
        assert plugs.opens() == "no_udev" and plugs.offered() == []
        with pytest.raises(RefusedError, match="libudev is not there"):
            plugs.attachments.views()
    assert [record.message for record in caplog.records] == ["plugging in goes unnoticed"]
