"""docs/operating/install.md, deploy.md and upgrade.md: what they name is there."""

import re
from pathlib import Path

import pytest
import yaml

from hub.cli import main
from tests.ansible.conftest import ANSIBLE, PROJECT, ROLE

PAGES = [PROJECT / "docs/operating" / name for name in ("install.md", "deploy.md", "upgrade.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_playbook_script_page_and_variable_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    known = set(specs["upgrade"]["options"]) | {"store_hub_log_since", "store_hub_canary"}
    assert not set(re.findall(r"\bstore_hub_[a-z_]+\b", text)) - known
    assert not [name for name in re.findall(r"ansible-playbook ([\w-]+\.yml)", text) if not (ANSIBLE / name).exists()]
    assert not [name for name in re.findall(r"^ansible/([\w-]+)", text, re.MULTILINE) if not (ANSIBLE / name).exists()]
    linked = re.findall(r"\]\(([\w./-]+\.md)[^)]*\)", text)
    assert linked and not [name for name in linked if not (page.parent / name).exists()]


def test_every_command_is_one_of_storehub_s(capsys: pytest.CaptureFixture[str]) -> None:
    named = {
        word
        for page in PAGES
        for word in re.findall(r"storehub ((?:[a-z][a-z-]* ?){1,2})(?=[A-Z`'\n-])", page.read_text())
    }
    assert {"doctor", "pair", "run", "tills revoke"} <= {word.strip() for word in named}
    for words in sorted(named):
        with pytest.raises(SystemExit) as ended:
            main([*words.split(), "--help"])
        assert ended.value.code == 0, words
    capsys.readouterr()


def test_what_the_pages_call_the_role_s_variables_are_all_of_them() -> None:
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    whole = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    unnamed = {name for name in specs["upgrade"]["options"] if name not in whole}
    assert unnamed <= {"store_hub_state", "store_hub_font_package"}, "those two say it all in their own words"
