"""Groups: a client's crowd is no wall before another's write, what is nobody's is held up by nobody, each keeps its order."""

from collections import Counter, deque

from hypothesis import given
from hypothesis import strategies as st

from sync.groups import ALONE_MAX, BESIDE_MAX, take_group

Job = tuple[int, str]


def groups(clients: list[str]) -> list[list[Job]]:
    """Return the groups that waiting jobs of these clients make."""
    waiting: deque[Job] = deque(enumerate(clients))
    made = []
    while waiting:
        made.append(take_group(waiting, lambda job: job[1]))
    return made


@given(st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=40))
def test_all_are_taken_once_each_clients_in_its_order_and_what_is_nobodys_at_once(clients: list[str]) -> None:
    made = groups(clients)

    taken = [job for group in made for job in group]
    assert sorted(taken) == list(enumerate(clients))
    for client in "abc":
        assert [n for n, who in taken if who == client] == [n for n, who in enumerate(clients) if who == client]
    assert all(who for group in made[1:] for _, who in group)


@given(st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=40))
def test_each_client_has_its_share_of_a_group_beside_others_and_alone(clients: list[str]) -> None:
    left = Counter(client for client in clients if client)
    for group in groups(clients):
        counts = Counter(who for _, who in group if who)
        share = BESIDE_MAX if len(left) > 1 else ALONE_MAX
        assert counts == Counter({who: min(share, count) for who, count in left.items()})
        left -= counts


def test_two_crowds_of_sixteen_hold_a_third_client_up_for_one_group_of_five() -> None:
    assert [who for _, who in groups(["a"] * 16 + ["b"] * 16 + ["honest"])[0]] == ["a", "a", "b", "b", "honest"]
