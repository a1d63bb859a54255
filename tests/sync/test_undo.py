"""Facts that undo facts: what was seen goes, whatever comes again; what was not seen stays. The law finds its planted faults."""

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from sync.model import Dot, Stream
from sync.retail.undo import standing

QUIET = settings(max_examples=5000, phases=[Phase.generate], database=None)
REPS = ("hk01:a", "hk02:b", "hk03:c", "cloud:z")

Standing = Callable[[Sequence[tuple[str, Dot]], Sequence[Dot]], frozenset[str]]
written_facts = st.lists(
    st.tuples(st.sampled_from("abc"), st.builds(Dot, st.sampled_from(REPS), st.just(Stream.SALES), st.integers(1, 2))),
    max_size=6,
    unique_by=lambda each: each[1],
)


def only_what_was_seen_is_undone(rule: Standing, written: Sequence[tuple[str, Dot]]) -> bool:
    """An undo made when the first half was known takes that, under whatever dot it comes again, and nothing else."""
    half = len(written) // 2
    undone = [dot for _, dot in written[:half]]
    keys = {key for key, _ in written}
    rng = random.Random(half)
    shuffled = rule(rng.sample(written, len(written)), rng.sample(undone * 2, 2 * half))
    return shuffled == rule(written, undone) == keys - {key for key, _ in written[:half]}


def last_write_stands(written: Sequence[tuple[str, Dot]], undone: Sequence[Dot]) -> frozenset[str]:
    """The planted fault: a dot at a time, so that a fork repair brings back what was undone."""
    return frozenset(key for key, dot in written if dot not in undone)


def undoes_the_writer(written: Sequence[tuple[str, Dot]], undone: Sequence[Dot]) -> frozenset[str]:
    """The planted fault: an undo takes what it has not seen."""
    reps = {dot.rep for dot in undone}
    return standing(written, [dot for _, dot in written if dot.rep in reps])


@given(written=written_facts)
def test_what_nobody_has_undone_stands(written: list[tuple[str, Dot]]) -> None:
    assert only_what_was_seen_is_undone(standing, written)


@pytest.mark.parametrize("fault", [last_write_stands, undoes_the_writer])
def test_that_law_finds_an_undo_that_takes_too_much_or_too_little(fault: Standing) -> None:
    assert find(
        written_facts,
        lambda written: not only_what_was_seen_is_undone(fault, written),
        settings=QUIET,
        random=random.Random(1),
    )


def test_an_opt_out_wins_over_every_opt_in_that_has_not_seen_it() -> None:
    out = ("out", Dot("hk01:a", Stream.SALES, 5))

    assert standing([out], []) == {"out"}, "an opt-in beside it, that names nothing"
    assert standing([out], [out[1]]) == frozenset(), "an opt-in that has seen it"
    assert standing([out, ("later", Dot("hk01:a", Stream.SALES, 9))], [out[1]]) == {"later"}
