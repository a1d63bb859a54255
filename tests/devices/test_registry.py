"""Drivers by file name, and configuration errors an operator can act on."""

import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices import registry
from devices.driver import Driver
from devices.drivers.serial_scanner import Options
from devices.errors import OptionError

DRIVER_FILE = """
from devices.driver import Driver, DriverOptions
async def run(ctx, options): ...
DRIVER = Driver(category="Scale", summary="", document="", options=DriverOptions, run=run)
"""

KNOWN = ", ".join(sorted(Options.__struct_fields__))


@pytest.fixture
def package(tmp_path: Path) -> Iterator[types.ModuleType]:
    (tmp_path / "flat_scale.py").write_text(DRIVER_FILE)
    (tmp_path / "broken.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "_link.py").write_text("")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "__init__.py").write_text("")
    made = types.ModuleType("devices_test_drivers")
    made.__path__ = [str(tmp_path)]
    sys.modules[made.__name__] = made
    yield made
    for name in [name for name in sys.modules if name.startswith(made.__name__)]:
        del sys.modules[name]


def test_every_file_is_a_kind_but_helpers_and_packages(package: types.ModuleType) -> None:
    assert list(registry.kinds(package)) == ["broken", "flat_scale"]


def test_only_the_driver_asked_for_is_imported(package: types.ModuleType) -> None:
    assert registry.load("flat_scale", package).category == "Scale"
    assert f"{package.__name__}.broken" not in sys.modules


@pytest.mark.parametrize("kind", sorted(registry.kinds()))
def test_every_kind_of_the_library_has_a_driver_with_its_document(kind: str) -> None:
    driver = registry.load(kind)
    assert isinstance(driver, Driver) and driver.summary and driver.document


def test_a_misspelt_kind_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(OptionError, match=r"unknown kind 'serial_scaner'; known: .*did you mean 'serial_scanner'\?"):
        registry.load("serial_scaner")


@pytest.mark.parametrize("kind", ["../registry", "serial_scanner.x", "os", ""])
def test_a_kind_never_leads_out_of_the_package(kind: str) -> None:
    with pytest.raises(OptionError, match="unknown kind"):
        registry.load(kind)


def test_a_section_becomes_options_with_defaults() -> None:
    section = {"kind": "serial_scanner", "port": "/dev/ttyACM0", "variable_measures": ["21IIIIIWWWWWC"]}
    options = registry.options_for("serial_scanner", section, device_id="lane1")
    assert options == Options(port="/dev/ttyACM0", variable_measures=("21IIIIIWWWWWC",))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            {"port": "/dev/x", "bautrate": 1},
            f"lane1: unknown option 'bautrate'; known: {KNOWN}; did you mean 'baudrate'?",
        ),
        ({}, 'lane1: say where the device is, once: `port = "/dev/…"` or `usb = {vendor = "…", product = "…"}`'),
        ({"port": "/dev/x", "baudrate": "fast"}, "lane1: option 'baudrate': expected int, got str"),
        ({"port": "/dev/x", "baudrate": 1}, "lane1: option 'baudrate': expected int >= 300"),
        (
            {"port": "/dev/x", "suffix": "crcr"},
            "lane1: suffix 'crcr': cr, lf, crlf, cr_or_lf, tab, etx, none, or one to four bytes such as '0x2a0d'",
        ),
        ({"port": "/dev/x", "variable_measures": [1]}, "lane1: option 'variable_measures[0]': expected str, got int"),
    ],
)
def test_a_wrong_option_is_named_with_its_remedy(section: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError) as refused:
        registry.options_for("serial_scanner", section, device_id="lane1")
    assert str(refused.value) == message


def test_a_wrong_template_names_the_device() -> None:
    with pytest.raises(OptionError, match=r"^lane1: variable_measures: '21X' is no template; write 13 places"):
        registry.options_for("serial_scanner", {"port": "/dev/x", "variable_measures": ["21X"]}, device_id="lane1")
