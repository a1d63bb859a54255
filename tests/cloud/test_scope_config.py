"""[scopes] in cloud.toml, and what a store gets of them."""

from pathlib import Path
from typing import Any

import pytest

from sync.cloud.config import CloudConfig, parse_cloud_config
from sync.cloud.scopes.scope_definitions import scope_stream
from sync.errors import ConfigError
from sync.scope_rows import base_of, is_scoped

TOKEN = "a-token-of-the-store-1"


def parsed(scopes: Any, **gets: str) -> CloudConfig:
    return parse_cloud_config({"stores": {"hk01": {"token": TOKEN} | gets}, "scopes": scopes}, base=Path("/"))


def test_a_store_gets_what_it_names() -> None:
    scopes = {"catalogue": {"hk": {"currency": "HKD"}}, "branches": {"hk": {"stores": ["hk02", "hk01"]}}}
    config = parsed(scopes, catalogue="hk", branches="hk")

    assert [(each.base, each.definition) for each in config.scopes] == [
        ("catalogue", '{"currency":"HKD"}'),
        ("branches", '{"stores":["hk01","hk02"]}'),
        ("branch_levels", '{"stores":["hk01","hk02"]}'),
    ]
    assert parsed(scopes).scopes == ()


def test_what_says_the_same_is_the_same_scope() -> None:
    one = parsed({"catalogue": {"a": {"categories": ["tea", "cups"], "currency": "HKD"}}}, catalogue="a").scopes[0]
    other = parsed(
        {"catalogue": {"b": {"currency": "HKD", "categories": ["cups", "tea", "tea"]}}}, catalogue="b"
    ).scopes[0]

    assert one.definition == other.definition
    assert scope_stream("catalogue", one.definition, 0) != scope_stream("catalogue", one.definition, 1)


def test_the_name_of_a_scope_is_that_of_its_stream_and_a_hash() -> None:
    name = scope_stream("catalogue", '{"currency":"HKD"}', 0)

    assert is_scoped(name) and base_of(name) == "catalogue" and len(name) == len("catalogue@") + 8
    assert [base_of(each) for each in ("catalogue", "catalogue@", "@x", "grants@hk01")] == [
        *("catalogue", "catalogue@", "@x", "grants")
    ]


@pytest.mark.parametrize(
    ("scopes", "gets", "said"),
    [
        ({}, {"catalogue": "hk"}, r"stores.hk01: no \[scopes.catalogue.hk\] in this file; there are: none"),
        ({"branches": {"hk": {}}}, {"branches": "tw"}, r"no \[scopes.branches.tw\].*there are: hk"),
        ({"catalogue": {"hk": {"curency": "HKD"}}}, {}, "did you mean 'currency'"),
        ({"catalogue": {"hk": {"currency": "hkd"}}}, {}, "currency"),
        ({"stock": {}}, {}, "unknown key"),
    ],
)
def test_what_is_wrong_is_named(scopes: Any, gets: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parsed(scopes, **gets)
