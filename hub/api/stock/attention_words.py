"""What a line of the manager's list says: the words of its code around its parts, in each language.

The words live in hub/texts/attention.*.toml: `said` by code, a table for each part that is made of codes. A code without words
(a newer machine wrote it) is shown as it is. Not here: titles and remedies (hub.api.problems).
"""

import tomllib
from functools import cache
from importlib import resources

from hub.api.problems import LANGUAGES
from hub.store.stock.attention import Part, Waiting
from sync.retail.money import format_amount

Words = dict[str, dict[str, str]]


@cache
def words(language: str) -> Words:
    """Return the words of a language: `said` by code, and what the codes in parts mean."""
    file = resources.files("hub.texts").joinpath(f"attention.{language}.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def said(waiting: Waiting) -> dict[str, str]:
    """Return what a line says, in each language."""
    return {language: _said(waiting, words(language)) for language in LANGUAGES}


def _said(waiting: Waiting, known: Words) -> str:
    parts = waiting.parts
    shown = {name: _shown(name, part, known) for name, part in parts.items()}
    amount, currency = parts.get("amount"), parts.get("currency")
    if isinstance(amount, int) and isinstance(currency, str):
        shown["amount"] = f"{currency} {format_amount(amount, currency)}"
    return known["said"][waiting.code or waiting.kind].format_map(shown)


def _shown(name: str, part: Part, known: Words) -> str:
    if not isinstance(part, list):
        return str(part)
    meant = [(known[name].get(each["code"], each["code"]), each.get("of", "")) for each in part]
    lists = known["lists"]
    return lists["between"].join(lists["of"].format(what=what, of=of) if of else what for what, of in meant)
