"""[members] of a shop and of head office: what both declare is refused by both, in the same words."""

from typing import Any

import msgspec
import pytest

from hub.settings.members import MembersSection as ShopSection
from hub.settings.members import member_rules
from sync.cloud.persons.rules import MembersSection as OfficeSection
from sync.cloud.persons.rules import check_members
from sync.errors import ConfigError
from sync.retail.people.declared import check_declared
from sync.retail.people.identities import DeclaredKind


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"region": "ZZ"}, "members.region 'ZZ' is no region of telephone numbers; write one as TW or HK"),
        ({"identities": {"phone": {"pattern": "[0-9]+"}}}, "members.identities.phone: that kind is there already"),
        (
            {"identities": {"staff": {"pattern": "["}}},
            "members.identities.staff.pattern '[': unterminated character set",
        ),
        ({"join": ["fax"]}, "members.join: no identity kind 'fax'; kinds: "),
    ],
)
def test_what_is_no_declaration_is_refused_at_both_ends_alike(section: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as shop:
        member_rules(msgspec.convert(section, ShopSection), "HKD", has_cloud=True)
    with pytest.raises(ConfigError) as office:
        check_members(msgspec.convert(section, OfficeSection))

    assert str(shop.value) == str(office.value)
    assert str(shop.value).startswith(said)


def test_a_further_kind_may_join_and_no_region_is_well() -> None:
    for region in (None, "", "TW"):
        check_declared(region, {"staff": DeclaredKind(pattern="[0-9]{4}")}, ["staff", "phone"])
