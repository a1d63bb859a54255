"""Words for text search in English and Chinese: Latin words as they are, ideographs as single characters and bigrams. Pure."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import add

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_NOT_WORDS = "\u19b0-\u19c9\u1cf2\u1cf3"  # letters to Python, separators to the older tables of FTS5's unicode61
_RUN = re.compile(rf"[{_HAN}]+|[^\W_{_NOT_WORDS}{_HAN}]+")
_IS_HAN = re.compile(f"[{_HAN}]")
_QUERY_WORDS_MAX = 16
INDEXED_BEGINNING = 4  # signs; the schema's prefix index, longer beginnings are looked up word by word
ALTERNATIVES_MAX = 32  # words of one longer beginning, 40 us each; beyond it the index gathers all that begin so
WORDS_KEPT = 512  # of a catalogue that comes down: goods of one kind stand beside one another, and share their names


def index_words(*texts: str) -> str:
    """Return the words that a product is found by."""
    words: list[str] = []
    for word in _folded(" ".join(texts)).split():
        if word.isascii() and word.isalnum():  # as most are: the expression takes five times as long to say so
            words.append(word)
        else:
            words += _words_in(word)
    return " ".join(dict.fromkeys(words))


def query_terms(query: str) -> list[tuple[str, bool]]:
    """Return the words of what a person typed, with whether each is a prefix: Latin ones are; none if no word is in it.

    One letter beside other words is a word (size L): as a beginning it would be that of half a catalogue.
    """
    terms: list[tuple[str, bool]] = []
    runs = _runs(query)
    for run in runs:
        if not _is_ideographic(run):
            terms.append((run, len(run) > 1 or len(runs) == 1))
        elif len(run) == 1:
            terms.append((run, False))
        else:
            terms += [(run[i : i + 2], False) for i in range(len(run) - 1)]
    return terms[:_QUERY_WORDS_MAX]


def match_expression(query: str, words_from: Callable[[str], Sequence[str]]) -> str:
    """Return the FTS5 expression of what a person typed: all words; empty if no word is in it.

    `words_from` tells the first ALTERNATIVES_MAX + 1 words of the index with a beginning. FTS5 reads words in the order of their
    rows and stops at a page's end, while it first gathers and sorts all rows of a beginning that has no index of its own.
    """
    return " AND ".join(
        _beginning(word, words_from) if is_prefix else f'"{word}"' for word, is_prefix in query_terms(query)
    )


def _beginning(word: str, words_from: Callable[[str], Sequence[str]]) -> str:
    if len(word) > INDEXED_BEGINNING and word.isascii():  # of others the tokenizer makes something else
        words = words_from(word)
        if 0 < len(words) <= ALTERNATIVES_MAX and all(map(str.isascii, words)):
            return '("' + '" OR "'.join(words) + '")'
    return f'"{word}"*'


@lru_cache(WORDS_KEPT)
def _words_in(word: str) -> tuple[str, ...]:
    """Return the words in what stands between two spaces."""
    words: list[str] = []
    for run in _RUN.findall(word):
        if run.isascii() or not _is_ideographic(run):
            words.append(run)
        else:
            words += run
            words += map(add, run, run[1:])
    return tuple(words)


def _runs(text: str) -> list[str]:
    found: list[str] = _RUN.findall(_folded(text))
    return found


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _is_ideographic(run: str) -> bool:
    return _IS_HAN.match(run) is not None
