"""The text of a message in the person's language, and the moment at which it may go out. Pure.

{name}     as the person gave it; {serial} the coupon of the campaign's issue; {points} the balance
language   zh-Hant or en, as the member says; else Traditional Chinese, else the one that there is
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sync.errors import RuleError

PLACES = ("name", "serial", "points")
LANGUAGES = ("zh-Hant", "en")
TEXT_MAX = 2000  # of the template; LINE takes 5,000 UTF-16 units with what is put in
_PLACE = re.compile(r"\{([^{}]*)\}")


def check_texts(texts: Mapping[str, str]) -> None:
    """Raise RuleError (campaign_text) for a language or a place that nobody knows, for no text at all."""
    if not texts:
        raise RuleError("campaign_text", "/texts", f"no text; languages: {', '.join(LANGUAGES)}")
    for language, text in texts.items():
        where = f"/texts/{language}"
        if language not in LANGUAGES:
            raise RuleError("campaign_text", where, f"no language {language!r}; known: {', '.join(LANGUAGES)}")
        if not text.strip() or len(text) > TEXT_MAX:
            raise RuleError("campaign_text", where, f"a text has 1 to {TEXT_MAX} characters")
        for place in sorted(set(_PLACE.findall(text)) - set(PLACES)):
            raise RuleError("campaign_text", where, f"no place {{{place}}}; known: {', '.join(PLACES)}")


def places_in(texts: Mapping[str, str]) -> frozenset[str]:
    """Return which places any of the texts has."""
    return frozenset(place for text in texts.values() for place in _PLACE.findall(text))


def language_of(said: object, texts: Mapping[str, str]) -> str:
    """Return the language of a person's text."""
    wanted = (str(said or ""), *LANGUAGES)
    return next(each for each in wanted if each in texts)


def render(text: str, values: Mapping[str, str]) -> str:
    """Return a text with what is said at its places, in one pass: a name with braces stays a name."""
    return _PLACE.sub(lambda found: values.get(found[1], found[0]), text)


def quiet_until(quiet: tuple[time, time], zone: str, now_ms: int) -> int:
    """Return when the quiet hours end in which a moment falls, in ms, 0 outside; the same hour twice is no quiet hour.

    Hours are those of the wall clock: where a clock is set back, the quiet lasts an hour longer.
    """
    begin, end = quiet
    now = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(zone))
    at = now.time().replace(tzinfo=None)
    is_quiet = begin <= at < end if begin <= end else at >= begin or at < end
    if not is_quiet:
        return 0
    day = now.date() + timedelta(days=int(begin > end and at >= begin))
    return int(datetime.combine(day, end, ZoneInfo(zone)).timestamp() * 1000)
