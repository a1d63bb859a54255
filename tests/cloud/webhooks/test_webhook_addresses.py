"""Where a webhook may lead: public addresses and named networks, also when a name is dialled or an answer redirects."""

from typing import Any

import pytest

from sync.cloud.handing.addresses import Allowed
from sync.errors import RuleError
from tests.cloud.webhooks.conftest import Subscribe, add, look, sell, telling


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[fe80::1%25eth0]/",
        "https://224.0.0.1/",
        "https://user:pass@example.com/",
        "http://example.com/",
        "ftp://example.com/",
        "https:///nothing",
        "https://example.com:99999/",
        "https://example.com/#part",
        "https://例子.tw/",
    ],
)
def test_addresses_that_are_not_public_are_refused(url: str) -> None:
    with pytest.raises(RuleError):
        Allowed().check_url(url)


def test_public_addresses_and_named_networks_are_let_through() -> None:
    Allowed().check_url("https://erp.example.com:8443/hooks?x=1")
    Allowed().check_url("https://1.1.1.1/")
    Allowed(("10.0.0.0/8",)).check_url("http://10.1.2.3/hook")


async def test_a_name_that_leads_home_is_refused_when_it_is_dialled(
    cloud: Any, writer: Any, subscribe: Subscribe
) -> None:
    erp = await subscribe()
    await add(cloud, erp, url=f"http://localhost:{erp.port}/hook")
    await sell(cloud, writer, "s1")
    async with telling(cloud, allow=("192.0.2.0/24",)) as deliverer:
        await deliverer.step("erp")

    assert erp.got == []
    assert "is public" in (await look(cloud))["why"]


async def test_a_redirect_is_not_followed(cloud: Any, writer: Any, subscribe: Subscribe) -> None:
    erp, inside = await subscribe(), await subscribe()
    await add(cloud, erp)
    await sell(cloud, writer, "s1")
    erp.answers, erp.headers = [307], {"Location": inside.url}
    async with telling(cloud) as deliverer:
        await deliverer.step("erp")

    assert (len(erp.got), inside.got, (await look(cloud))["attempts"]) == (1, [], 1)
