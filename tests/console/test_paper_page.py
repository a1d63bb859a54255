"""The simulated printer's page of paper, asked as the page asks."""

import re

import aiohttp

from devices.testing.paper import Paper, PaperLine, Run
from devices.testing.printer import Receipt
from hub.demo.paper_page import PAPERS_MAX, PaperPage


def receipt(text: str) -> Receipt:
    return Receipt(Paper((PaperLine((Run(text, len(text)),)),)), b"")


def words(html: str) -> str:
    return re.sub(r"<style>.*?</style>|<[^>]+>", "", html)


async def test_papers_come_once_newest_last_and_the_oldest_are_thrown_away() -> None:
    async with PaperPage() as page, aiohttp.ClientSession(page.url) as session:
        for n in range(1, PAPERS_MAX + 3):
            page.add(receipt(f"receipt {n}"))
        async with session.get("papers", params={"after": "0"}) as answer:
            papers = await answer.json()
        assert [paper["n"] for paper in papers] == list(range(3, PAPERS_MAX + 3))
        assert words(papers[-1]["html"]) == f"receipt {PAPERS_MAX + 2}"
        async with session.get("papers", params={"after": str(PAPERS_MAX + 1)}) as answer:
            assert [paper["n"] for paper in await answer.json()] == [PAPERS_MAX + 2]


async def test_a_question_without_a_number_is_refused() -> None:
    async with PaperPage() as page, aiohttp.ClientSession(page.url) as session:
        for after in ("", "-1", "²", "9" * 5000):
            async with session.get("papers", params={"after": after}) as answer:
                assert answer.status == 400


async def test_only_loopback_pages_may_frame_the_paper_and_nothing_is_fetched_from_elsewhere() -> None:
    async with PaperPage() as page, aiohttp.ClientSession(page.url) as session, session.get("") as answer:
        policy = answer.headers["Content-Security-Policy"]
        html = await answer.text()
    assert "default-src 'none'" in policy
    assert policy.endswith("frame-ancestors http://127.0.0.1:* http://localhost:*")
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    assert "http" not in html
