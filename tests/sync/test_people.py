"""One person: components whatever order links come in, undone by name; contested; consent. The laws find their planted faults."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from sync.retail.people.consents import ConsentFact, opt_outs, word
from sync.retail.people.people import LinkFact, canonical_id, components, contested

QUIET = settings(max_examples=5000, phases=[Phase.generate], database=None)
AT = datetime(2026, 9, 21, tzinfo=UTC)
IDS = "mnopq"
Components = Callable[[Sequence[LinkFact], Sequence[str]], Mapping[str, frozenset[str]]]
Word = Callable[[Iterable[ConsentFact], Any], str]


def link(n: int, a: str, b: str) -> LinkFact:
    return LinkFact(link_id=f"l{n}", a=a, b=b, evidence="by hand", at=AT)


links = st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), max_size=7).map(
    lambda pairs: [link(n, *pair) for n, pair in enumerate(pairs)]
)
undone = st.lists(st.sampled_from([f"l{n}" for n in range(7)]), max_size=4)


def reachable(facts: Sequence[LinkFact], gone: Sequence[str]) -> dict[str, frozenset[str]]:
    """The independent reader: who is reached by walking, by Floyd and Warshall's closure."""
    names = {each for fact in facts for each in (fact.a, fact.b)}
    reach = {(a, b) for fact in facts if fact.link_id not in gone for a, b in ((fact.a, fact.b), (fact.b, fact.a))}
    reach |= {(each, each) for each in names}
    for k in names:
        reach |= {(a, b) for a in names for b in names if (a, k) in reach and (k, b) in reach}
    return {a: frozenset(b for b in names if (a, b) in reach) for a in names}


def agrees(rule: Components, facts: Sequence[LinkFact], gone: Sequence[str]) -> bool:
    """In any order, with repetitions."""
    rng = random.Random(len(facts) + 10 * len(gone))
    shuffled = rng.sample(facts, len(facts)) + rng.sample(facts, len(facts) // 2)
    return dict(rule(shuffled, rng.sample(gone, len(gone)))) == reachable(facts, gone)


def joins_pairs_only(facts: Sequence[LinkFact], gone: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """The planted fault: who is joined to whom is not followed further."""
    found: dict[str, frozenset[str]] = {}
    for fact in facts:
        both = frozenset({fact.a, fact.b}) if fact.link_id not in gone else frozenset()
        for each in (fact.a, fact.b):
            found[each] = found.get(each, frozenset({each})) | both
    return found


def forgets_undos(facts: Sequence[LinkFact], _gone: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """The planted fault: what was taken back still joins."""
    return components(facts)


@given(links, undone)
def test_a_person_is_who_is_reached_by_the_links_that_stand(facts: list[LinkFact], gone: list[str]) -> None:
    assert agrees(components, facts, gone)


@pytest.mark.parametrize("fault", [joins_pairs_only, forgets_undos])
def test_the_law_finds_the_planted_fault(fault: Components) -> None:
    find(st.tuples(links, undone), lambda case: not agrees(fault, *case), settings=QUIET)


@given(links, undone)
def test_all_of_a_person_have_one_canonical_id(facts: list[LinkFact], gone: list[str]) -> None:
    persons = components(facts, gone)
    for person in persons.values():
        assert {canonical_id(persons[each]) for each in person} == {min(person)}


def test_two_values_of_a_hard_attribute_contest_and_silence_does_not() -> None:
    assert contested([{"birth_month": 5, "name": "a"}, {"birth_month": 5, "name": "b"}, {}]) == ()
    assert contested([{"birth_month": 5}, {"birth_month": None}, {"birth_month": 6}]) == ("birth_month",)
    assert contested([{"id:staff": "1"}, {"id:staff": "2"}], hard=("id:staff",)) == ("id:staff",)


def consent(n: int, choice: Any, seen: Iterable[str] = (), purpose: Any = "marketing") -> ConsentFact:
    return ConsentFact(consent_id=f"c{n}", member_id="m", purpose=purpose, choice=choice, seen=tuple(seen), at=AT)


@st.composite
def said(draw: st.DrawFn) -> list[ConsentFact]:
    """Writers who each see a part of what was said before, and name it as the hub does."""
    facts: list[ConsentFact] = []
    for n in range(draw(st.integers(0, 7))):
        visible = [fact for fact in facts if draw(st.booleans())]
        if draw(st.booleans()):
            facts.append(consent(n, "out"))
        else:
            facts.append(consent(n, "in", sorted(opt_outs(visible, "marketing"))))
    return facts


def keeps_the_law(rule: Word, facts: Sequence[ConsentFact]) -> bool:
    """`in` only where every opt-out was seen by some opt-in; any order, any repetition."""
    rng = random.Random(len(facts))
    delivered = rng.sample(facts, len(facts)) + rng.sample(facts, len(facts) // 2)
    seen = {key for fact in facts if fact.choice == "in" for key in fact.seen}
    unseen = [fact for fact in facts if fact.choice == "out" and fact.consent_id not in seen]
    expected = "out" if unseen else "in" if any(fact.choice == "in" for fact in facts) else "unknown"
    return rule(delivered, "marketing") == expected


def last_one_wins(facts: Iterable[ConsentFact], _purpose: Any) -> str:
    """The planted fault: the newest word counts, whatever it had seen."""
    newest = max(facts, key=lambda fact: fact.consent_id, default=None)
    return newest.choice if newest else "unknown"


@given(said())
def test_an_opt_out_stands_until_an_opt_in_that_has_seen_it(facts: list[ConsentFact]) -> None:
    assert keeps_the_law(word, facts)


def test_the_law_of_consent_finds_the_planted_fault() -> None:
    find(said(), lambda facts: not keeps_the_law(last_one_wins, facts), settings=QUIET)


def test_purposes_are_apart() -> None:
    facts = [consent(1, "out"), consent(2, "in", purpose="profile")]
    assert (word(facts, "marketing"), word(facts, "profile")) == ("out", "in")


def test_of_a_purpose_that_nobody_spoke_of_nothing_is_known() -> None:
    assert word([consent(1, "in", purpose="profile")], "marketing") == "unknown"
    assert word([], "marketing") == "unknown"


def test_an_opt_out_takes_no_other_back_whatever_it_has_seen() -> None:
    facts = [consent(1, "out"), consent(2, "out", ["c1"]), consent(3, "in", ["c2"])]

    assert opt_outs(facts, "marketing") == {"c1"} and word(facts, "marketing") == "out"
