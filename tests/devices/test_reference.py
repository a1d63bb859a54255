"""The page of supported devices is the one that the drivers give, and says each option's limits."""

from pathlib import Path

from devices.reference import reference_page
from devices.registry import kinds

PAGE = Path(__file__).parents[2] / "docs" / "devices.md"


def test_the_page_is_what_the_drivers_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), "docs/devices.md is stale: storehub schema reference"


def test_every_kind_has_a_row_with_its_evidence_and_a_section() -> None:
    page = reference_page()
    for kind in kinds():
        assert f"| [`{kind}`](#{kind}) |" in page and f"\n## {kind}\n" in page


def test_an_option_says_its_limits_and_its_default() -> None:
    page = reference_page()
    assert "| `baudrate` | a whole number, from 300, to 4,000,000 | `9600` |" in page
    assert "`^[^/+#\\s]{1,64}\\Z` | must be said |" in page
