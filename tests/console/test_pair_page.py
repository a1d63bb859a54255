"""The page that takes a tablet through trust and pairing, in a real Chromium that comes from the network."""

from typing import Any

import pytest
from playwright.async_api import expect

from hub.tls.addresses import machine_addresses

ANDROID = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Mobile Safari/537.36"
)
IPAD = (
    "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/604.1"
)


@pytest.fixture
async def lan_hub(start_hub: Any) -> Any:
    """A hub that tablets reach."""
    return await start_hub(api={"host": "0.0.0.0", "port": 0})


@pytest.fixture
def door(lan_hub: Any) -> str:
    """Where a tablet knocks: an address of this machine that is not loopback."""
    found = [str(each) for each in machine_addresses() if each.version == 4]
    if not found:
        pytest.skip("this machine is on no network")
    return f"{found[0]}:{lan_hub.port}"


@pytest.mark.parametrize(
    "tablet",
    [(ANDROID, "zh-TW", "/ca.crt", 4), (IPAD, "en-US", "/ca.mobileconfig", 5), (IPAD, "zh-TW", "/ca.mobileconfig", 5)],
)
async def test_a_tablet_that_trusts_nobody_yet_is_told_what_to_do(
    lan_hub: Any, door: str, open_screen: Any, tablet: tuple[str, str, str, int]
) -> None:
    agent, locale, file, steps = tablet
    page = (await open_screen(820, 1180, user_agent=agent, locale=locale)).page
    await page.goto(f"http://{door}/")
    await expect(page.locator("#trust-steps li")).to_have_count(steps)
    assert await page.locator("#trust-steps a").get_attribute("href") == file
    shown = "".join((await page.locator("#trust-print").inner_text()).replace(":", "").split())
    assert shown.lower() == lan_hub.runtime.ca_fingerprint()
    await expect(page.locator("#trust-state")).to_have_attribute("data-trusted", "no")
    assert not await page.locator("#join").is_visible()
    await page.locator("#language").click()
    await expect(page.locator("html")).to_have_attribute("lang", "en" if locale == "zh-TW" else "zh-Hant")
    await expect(page.locator("#trust-steps li")).to_have_count(steps)


async def test_a_tablet_that_trusts_the_authority_pairs_with_the_code_of_the_link(
    lan_hub: Any, door: str, open_screen: Any
) -> None:
    """Chromium is told to believe every certificate: which one it is, is judged in tests/api/test_lan.py."""
    page = (await open_screen(390, 844, ignore_https_errors=True)).page
    code, fingerprint = await lan_hub.make_code(), lan_hub.runtime.ca_fingerprint()
    await page.goto(f"http://{door}/pair#code={code}&ca={fingerprint}")
    await expect(page.locator("#trust-state")).to_have_attribute("data-trusted", "yes")
    await page.locator("#trust-next").click()
    await expect(page.locator("#join-code")).to_have_value(code)
    assert page.url == f"https://{door}/pair"
    await page.locator("#join-name").fill("Counter 1")
    await page.locator("#join-form button").click()
    await expect(page.locator("#joined-title")).to_have_text("Paired as t1")
    kept = await page.evaluate("JSON.parse(localStorage.getItem('storehub.till'))")
    assert kept["till_id"] == "t1" and kept["token"]


async def test_a_link_that_names_another_authority_says_stop(lan_hub: Any, door: str, open_screen: Any) -> None:
    page = (await open_screen(820, 1180)).page
    await page.goto(f"http://{door}/pair#code=AAAAAAAA&ca={'ab' * 32}")
    await expect(page.locator("#join-notice")).to_contain_text("Stop")


async def test_a_wrong_code_says_what_to_do(lan_hub: Any, open_screen: Any) -> None:
    page = (await open_screen(390, 844, locale="zh-TW")).page
    await page.goto(f"{lan_hub.url}/pair#code=WRONGONE")
    await page.locator("#join-name").fill("一號櫃台")
    await page.locator("#join-form button").click()
    await expect(page.locator("#join-message")).to_contain_text("storehub pair")


async def test_the_console_shows_a_code_as_qr_and_forgets_it(lan_hub: Any, door: str, open_screen: Any) -> None:
    screen = await open_screen(1280, 900, ignore_https_errors=True)
    page = screen.page
    await page.goto(f"https://{door}/#pair={await lan_hub.make_code('manager')}")
    await page.locator("#tablet").click()
    await expect(page.locator("#tablet-url")).to_have_text(f"http://{door}/pair")
    assert (await page.locator("#tablet-qr").get_attribute("src")).startswith("data:image/png;base64,")
    assert "".join((await page.locator("#tablet-ca").inner_text()).replace(":", "").split()).lower() == (
        lan_hub.runtime.ca_fingerprint()
    )
    code = await page.locator("#tablet-code").inner_text()
    assert len(code) == 8
    await page.locator("#tablet-dialog button").click()
    await expect(page.locator("#tablet-code")).not_to_have_text(code)  # a dialog says that it was closed a turn later
    assert code not in await page.content()
    assert not screen.complaints


async def test_a_hub_for_its_own_machine_says_how_tablets_come_in(hub: Any, open_screen: Any) -> None:
    page = (await open_screen(820, 1180)).page
    await page.goto(f"{hub.url}/pair")
    await expect(page.locator("#join-notice")).to_contain_text("[api] host")
    assert not await page.locator("#trust").is_visible()
