"""Approvals in the books: one deed at one till, once, within minutes; a deed that is refused leaves its approval as it was."""

from typing import Any

import pytest

from hub.config import parse_config
from hub.errors import ConflictError, RefusedError
from hub.store.model import utc
from hub.store.staff.approvals import ACTIONS, ApprovalRules, Given, authorise, find, give, take
from sync.errors import ConfigError

NOW_MS = 1_790_000_000_000
RULES = ApprovalRules()
FOR = {"subject": "sale-1", "till_id": "t1"}


def yes(**fields: Any) -> Given:
    said: dict[str, Any] = {"approval_id": "a1", "action": "price_override", "given_by": "boss", "role": "manager"}
    return Given(**(said | FOR | {"expires_at": utc(NOW_MS + 300_000)} | fields))


async def given(store: Any, what: Given) -> tuple[Given, bool]:
    return await store.db.write(lambda tx: give(tx, what, reason="a scratch", now_ms=NOW_MS))


async def taken(store: Any, approval_id: str = "a1", action: Any = "price_override", **fields: Any) -> Given:
    said = FOR | {"now_ms": NOW_MS} | fields
    return await store.db.write(lambda tx: take(tx, approval_id, action, **said))


async def test_an_approval_is_good_once_for_its_deed_and_a_repeat_of_that(store: Any) -> None:
    assert await given(store, yes()) == (yes(), True)

    assert (await taken(store)).given_by == "boss"
    assert (await taken(store, now_ms=NOW_MS + 10**9)).given_by == "boss", "the same deed may ask again, also later"
    with pytest.raises(RefusedError):
        await taken(store, subject="sale-2")
    (line,) = store.db.read.execute("SELECT actor, action, subject, body ->> '$.reason' FROM trail").fetchall()
    assert line == ("cashier:boss", "approved", "sale-1", "price_override: a scratch")


@pytest.mark.parametrize(
    "other",
    [
        {"approval_id": "a2"},
        {"action": "void"},
        {"subject": "sale-2"},
        {"till_id": "t2"},
        {"now_ms": NOW_MS + 300_000},
    ],
)
async def test_an_approval_is_for_nothing_else_and_is_not_spent_by_asking(store: Any, other: dict[str, Any]) -> None:
    await given(store, yes())

    with pytest.raises(RefusedError) as refused:
        await taken(store, **other)

    assert (refused.value.code, refused.value.pointer) == ("approval", "/approval_id")
    assert find(store.db.read, "a1") == yes()
    assert (await taken(store, now_ms=NOW_MS + 299_999)).is_taken is False


async def test_a_deed_that_is_refused_leaves_its_approval(store: Any) -> None:
    await given(store, yes())

    def deed(tx: Any) -> None:
        take(tx, "a1", "price_override", now_ms=NOW_MS, **FOR)
        raise RefusedError("total", "no")

    with pytest.raises(RefusedError):
        await store.db.write(deed)

    assert find(store.db.read, "a1") == yes()


async def test_the_same_approval_again_is_the_same_and_another_under_its_id_is_refused(store: Any) -> None:
    await given(store, yes())

    assert await given(store, yes(expires_at=utc(NOW_MS + 999_999))) == (yes(), False)
    for other in ({"action": "void"}, {"subject": "x"}, {"till_id": "t2"}, {"given_by": "c7"}):
        with pytest.raises(ConflictError):
            await given(store, yes(**other))
    assert len(store.db.read.execute("SELECT 1 FROM trail").fetchall()) == 1


@pytest.mark.parametrize(
    ("action", "role", "needs"),
    [
        ("void", None, True),
        ("void", "cashier", True),
        ("void", "supervisor", False),
        ("return_without_receipt", "supervisor", True),
        ("return_without_receipt", "manager", False),
        ("pay_in", None, False),
    ],
)
async def test_who_may_do_it_alone_needs_no_approval(store: Any, action: Any, role: Any, needs: bool) -> None:
    async def ask(approval_id: str | None) -> Given | None:
        said = FOR | {"role": role, "now_ms": NOW_MS}
        return await store.db.write(lambda tx: authorise(tx, RULES, action, approval_id, **said))

    if not needs:
        assert await ask(None) is None
        return
    with pytest.raises(RefusedError) as refused:
        await ask(None)
    assert refused.value.code == "approval_needed"
    await given(store, yes(action=action))
    assert (await ask("a1")) == yes(action=action)


def test_a_discount_is_large_beyond_the_share_that_is_declared() -> None:
    rules = ApprovalRules(discount_above_pct=20)

    assert not rules.is_large(2000, 10_000) and rules.is_large(2001, 10_000)
    assert not rules.is_large(0, 0) and rules.is_large(1, 0)


def test_the_rules_are_read_from_the_configuration(tmp_path: Any) -> None:
    store = {"id": "hk01", "name_zh_hant": "店", "name_en": "Shop", "currency": "HKD"}

    rules = parse_config({"store": store, "approvals": {"void": "none", "no_sale": "manager"}}, base=tmp_path).approvals

    assert (rules.role_for("void"), rules.role_for("no_sale"), rules.role_for("price_override")) == (
        *(None, "manager"),
        "supervisor",
    )
    assert parse_config({"store": store}, base=tmp_path).approvals == ApprovalRules()
    assert all(hasattr(ApprovalRules(), action) for action in ACTIONS)
    for wrong in ({"vold": "none"}, {"void": "boss"}, {"expires_s": 5}, {"discount_above_pct": 101}):
        with pytest.raises(ConfigError, match="approvals"):
            parse_config({"store": store, "approvals": wrong}, base=tmp_path)
