"""The dashboard and the alerts of docs/operating/monitoring: what they name a running hub shows, and each alert is tried.

`promtool` (Debian's prometheus) checks rules and tries them; where it is not installed those tests are skipped.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

FOLDER = Path("docs/operating/monitoring")
ALERTS = FOLDER / "alerts.yml"
TESTS = (FOLDER / "alerts-test.yml", FOLDER / "alerts-days-test.yml")
OURS = re.compile(r"\b(?:storehub|process)_\w+")
SELECTOR = re.compile(r"\b((?:storehub|process)_\w+)\{([^}]*)\}")
GIVEN = {"store", "instance", "job"}  # by the scrape's configuration


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """Every expression of dashboard and alerts; `$store` as Grafana fills it in."""
    told = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [each.replace("$store", ".*") for each in told] + [rule["expr"] for rule in rules()]


@pytest.fixture(scope="session")
def shown(morning: Any) -> dict[str, set[str]]:
    """Every name that the running hub and cloud showed, with the labels that its samples had."""
    found: dict[str, set[str]] = {}
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    for text in (morning.hub_metrics, morning.cloud_metrics):
        for family in text_string_to_metric_families(text):
            for suffix in suffixes.get(family.type, ("",)):
                found.setdefault(family.name + suffix, set())
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.fixture(scope="session")
def promtool() -> Callable[..., str]:
    """Run promtool; it must be content."""
    program = shutil.which("promtool") or shutil.which("promtool", path=str(Path(sys.prefix, "bin")))
    if program is None:
        pytest.skip("promtool is not installed")

    def run(*words: str, text: str = "") -> str:
        ended = subprocess.run([program, *words], input=text, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    return run


def test_what_dashboard_and_alerts_name_is_shown_by_a_running_hub(shown: dict[str, set[str]]) -> None:
    named = {name for each in expressions() for name in OURS.findall(each)}

    assert len(named) > 40 and not named - shown.keys()


def test_every_figure_of_the_hub_is_on_the_dashboard(shown: dict[str, set[str]]) -> None:
    drawn = {name for each in expressions() for name in OURS.findall(each)}
    of_others = {name for name in shown if name.endswith(("_bucket", "_sum", "_count", "_created"))}

    assert not {name for name in shown.keys() - drawn - of_others if name.startswith("storehub_")}


def test_labels_that_are_asked_for_are_there(shown: dict[str, set[str]]) -> None:
    wrong = [
        (name, label)
        for each in expressions()
        for name, inside in SELECTOR.findall(each)
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside)
        if shown[name] and label not in shown[name] | GIVEN
    ]

    assert not wrong


def test_a_store_that_never_came_is_missed_too(morning: Any) -> None:
    for store, connected in (("hk01", "1.0"), ("hk02", "0.0")):
        assert f'storehub_cloud_connected{{store="{store}"}} {connected}' in morning.cloud_metrics
        assert f'storehub_cloud_seen_timestamp_seconds{{store="{store}"}} 1.' in morning.cloud_metrics


def test_a_real_hub_says_of_itself_what_only_it_knows(morning: Any) -> None:
    assert 'storehub_cloud_store_copies{store="hk01"} 1.0' in morning.cloud_metrics


def test_every_alert_has_its_words_and_a_heading_to_read() -> None:
    for rule in rules():
        said = rule["annotations"]
        assert said.keys() == {"summary", "remedy", "runbook"} and all(said.values()), rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket")
        page, _, heading = said["runbook"].partition("#")
        assert heading in set(headings(Path(page))), said["runbook"]


def test_every_alert_is_tried_sick_and_well() -> None:
    tried = [test["name"] for file in TESTS for test in yaml.safe_load(file.read_text())["tests"]]

    assert sorted(tried) == sorted(rule["alert"] for rule in rules())


def test_alerts_are_as_they_are_meant(promtool: Callable[..., str]) -> None:
    promtool("check", "rules", str(ALERTS))
    promtool("test", "rules", *map(str, TESTS))


def test_the_dashboards_expressions_can_be_read(promtool: Callable[..., str], tmp_path: Path) -> None:
    written = [{"record": f"dashboard:{n}", "expr": each} for n, each in enumerate(expressions())]
    file = tmp_path / "expressions.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": written}]}))

    promtool("check", "rules", str(file))


def test_what_is_shown_is_prometheus_text(promtool: Callable[..., str], morning: Any) -> None:
    for text in (morning.hub_metrics, morning.cloud_metrics):
        promtool("check", "metrics", text=text)


def test_the_dashboard_has_no_two_panels_in_one_place() -> None:
    places = [panel["gridPos"] for panel in panels()]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]

    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels()}) == len(panels())


def headings(page: Path) -> Iterator[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            yield re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower()).replace(" ", "-")
