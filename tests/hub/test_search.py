"""Text search in English and Chinese: every product is found by its words; no query is an error in SQLite."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.migrations import MIGRATIONS
from hub.store.catalogue.products import search_items, words_from
from hub.store.catalogue.search import ALTERNATIVES_MAX, index_words, match_expression, query_terms
from tests.sim.disk import new_file

LATIN = st.text("abcdefghijklmnopqrstuvwxyzABCÉéüñ0123456789", min_size=1, max_size=8)
HAN = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=2, max_size=8)
WORDS = (*(f"thermos{n}" for n in range(50)), "thermostat", "Thermä", "thermañ", "thermos한", "保溫杯", "tea")
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@contextmanager
def table(*texts: str) -> Iterator[sqlite3.Connection]:
    """An index as the schema declares it, with these texts as rows 0, 1, ..."""
    connection = sqlite3.connect(":memory:")
    connection.deserialize(new_file(MIGRATIONS))
    for row, text in enumerate(texts):
        connection.execute("INSERT INTO product_text (rowid, words) VALUES (?, ?)", (row, index_words(text)))
    yield connection
    connection.close()


def found(connection: sqlite3.Connection, query: str) -> list[int]:
    expression = match_expression(query, partial(words_from, connection))
    return matched(connection, expression) if expression else []


def matched(connection: sqlite3.Connection, expression: str) -> list[int]:
    rows = connection.execute("SELECT rowid FROM product_text WHERE product_text MATCH ? ORDER BY rowid", (expression,))
    return [row for (row,) in rows]


@given(words=st.lists(st.one_of(LATIN, HAN), min_size=1, max_size=6))
def test_every_product_is_found_by_each_of_its_words_and_their_beginnings(words: list[str]) -> None:
    with table("other 其他", " ".join(words)) as connection:
        for word in words:
            assert 1 in found(connection, word)
            assert 1 in found(connection, word[: (len(word) + 1) // 2])
        assert 1 in found(connection, " ".join(words[:4]))


@given(name=HAN)
def test_every_product_is_found_by_each_two_signs_of_its_chinese_name(name: str) -> None:
    with table(f"品牌 {name} 500g") as connection:
        for at in range(len(name) - 1):
            assert found(connection, name[at : at + 2]) == [0]


@given(
    texts=st.lists(st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join), min_size=1, max_size=60),
    query=st.lists(st.tuples(st.sampled_from(WORDS), st.integers(1, 12)).map(lambda cut: cut[0][: cut[1]]), max_size=3),
)
def test_words_that_are_looked_up_find_what_their_beginning_finds(texts: list[str], query: list[str]) -> None:
    """Judged by FTS5's own beginnings, which need no look at the words."""
    said = " ".join(query)
    plain = " AND ".join(f'"{word}"*' if is_prefix else f'"{word}"' for word, is_prefix in query_terms(said))
    with table(*texts) as connection:
        assert found(connection, said) == (matched(connection, plain) if plain else [])


@pytest.mark.parametrize("more", [0, 1, 40])
def test_no_product_is_lost_where_many_words_begin_alike(more: int) -> None:
    words = [f"thermos{n:04}" for n in range(ALTERNATIVES_MAX + more)]
    with table(*words, "thermo") as connection:
        assert found(connection, "thermos") == list(range(len(words)))
        assert found(connection, "thermos thermos0007") == [7]


def test_no_beginning_of_an_index_entry_is_taken_for_a_word() -> None:
    """The index keeps beginnings behind its words: who reads on past the last word comes to them."""
    with table("aaaaaa zebra", "茶葉 茶葉茶") as connection:
        for query in ("zebras", "zzzzz", "aaaaab", "bbbbb", "zebra zzzzzz"):
            assert found(connection, query) == []
        assert words_from(connection, "zebra") == ["zebra"] and words_from(connection, "zzzzz") == []


def test_one_letter_beside_other_words_is_a_word_and_no_beginning() -> None:
    with table("tee L", "tee Lohas") as connection:
        assert found(connection, "tee l") == [0]
        assert found(connection, "l") == found(connection, "te") == [0, 1]


@given(name=HAN, word=LATIN)
def test_chinese_and_latin_without_a_space_between_are_found_apart(name: str, word: str) -> None:
    with table(name + word + name) as connection:
        assert found(connection, word) == found(connection, name) == found(connection, word + name) == [0]


@given(query=ANY_TEXT, text=ANY_TEXT)
def test_no_query_is_an_error_in_sqlite(query: str, text: str) -> None:
    with table(text) as connection:
        found(connection, query)


@given(text=ANY_TEXT)
def test_a_text_is_found_by_itself_as_far_as_it_has_words(text: str) -> None:
    with table(text) as connection:
        assert found(connection, text) in ([0], [])


def test_no_letter_of_unicode_is_an_error_in_sqlite_at_any_place() -> None:
    """FTS5's tokenizer splits at signs that Python calls letters (its tables are older): two words are a phrase, an error."""
    letters = [char for code in range(0x110000) if (char := chr(code)).isalnum()]
    with table("a") as connection:
        for char in letters:
            for query in (char, f"a{char}b", f"{char}a{char}b", f"一{char}二{char}"):
                found(connection, query)


@pytest.mark.parametrize(
    ("text", "query", "is_found"),
    [
        ("Café crème", "CAFE", True),
        ("ＣＯＬＡ", "cola", True),
        ("可口可樂 330ml", "可樂 330", True),
        ("可口可樂", "樂可", False),
        ("純棉T恤", "T恤", True),
        ("純棉T恤", "棉t", True),
        ("Straße", "strasse", True),
        ("green tea", "green milk", False),
        ("green tea", "tea green", True),
        ("green tea", "reen", False),
        ("한국어abc", "abc", False),
        ("한국어", "한국", True),
        ("䷀一二", "一二", True),
        ("tea", "NOT tea", False),
        ("tea", "tea*", True),
        ("tea", '"tea" OR "x"', False),
        ("a:b", "a:b", True),
    ],
)
def test_what_is_found(text: str, query: str, is_found: bool) -> None:
    with table(text) as connection:
        assert (found(connection, query) == [0]) == is_found


def test_a_very_long_query_is_cut_to_its_first_words() -> None:
    with table("tea") as connection:
        assert found(connection, "tea " * 5000) == [0]


@pytest.mark.parametrize(
    ("query", "skus"), [("烏龍 tea", ["TEA-01"]), ("shirt 純棉", ["SHIRT-M"]), ("", []), ("٠", [])]
)
async def test_the_store_searches_the_same_way(store: Any, query: str, skus: list[str]) -> None:
    items = await search_items(store.db, query, location="shop", after="", limit=10)

    assert [item.sku for item in items] == skus
