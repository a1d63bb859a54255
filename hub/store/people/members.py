"""Members are written: enrolled, edited, joined and unjoined, asked for consent. One job each: cells, facts and words together.

    the write's id   content   answer
    new              -         done: cells of the register, facts of stream `people`, words
    known            same      repeated: nothing written
    known            other     ConflictError (other_content); of a member that was erased since: ConflictError (member_erased)

Keys of facts follow from the write's id, so that the same request at the store's other hub says the same. Clear values are cells
of the register and nothing else. Not here: HTTP, events, erasure (hub.store.people.erasure), reading (hub.store.people.people).
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from sqlite3 import Connection
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Struct

from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.store.member_rules import MemberRules
from hub.store.model import utc
from hub.store.people.member_keys import key_to_write
from hub.store.people.member_requests import Consent, Enrolment, Join, MemberEdit, TierGiven, Unjoin
from hub.store.people.member_words import index_member
from hub.store.people.people import (
    cells_of,
    identities_of,
    is_erased,
    is_known,
    owners,
    person_ids,
    standing_opt_outs,
)
from hub.store.people.welcome import welcome
from hub.store.replica.clock import Stamped, write_stamped
from hub.store.staff.audit_trail import note
from sync.errors import RuleError
from sync.model import Replica
from sync.retail.people.consents import CONSENT, ConsentFact
from sync.retail.people.identities import IDENTITY, KINDS, IdentityFact, canonical, keyed_hash
from sync.retail.people.members import DECLARED, MEMBER, TIER
from sync.retail.people.people import LINK, UNDO, LinkFact, UndoFact
from sync.retail.selling.sales import Warned
from sync.store.writing import record_fact


class Written(Struct, frozen=True):
    """How it ended: of which person, and what a person should know."""

    status: Literal["created", "repeated"]
    member_id: str
    warnings: tuple[Warned, ...] = ()


class Work(NamedTuple):
    """What every job needs: who asks, who writes, by which rules and stamp, a key to begin with where there is none yet."""

    actor: str
    replica: Replica
    rules: MemberRules
    stamped: Stamped
    fresh_key: str
    now_ms: int


Job = Callable[[Connection], Written]


def enrol_job(work: Work, content: Enrolment) -> Job:
    """Return the job that enrols; RefusedError (identity, identity_kind, member_empty), ConflictError (identity_taken)."""
    said = {kind: text for kind in KINDS if (text := getattr(content, kind)) is not None} | content.identities
    forms = _forms(work.rules, said)
    if not forms:
        raise RefusedError("member_empty", "a member is known by at least one identity", pointer="/phone")

    def job(tx: Connection) -> Written:
        if _is_repeated(tx, content.member_id, "enrol", content.member_id, _print_of(content)):
            return Written("repeated", _canonical(tx, content.member_id))
        if cells_of(tx, content.member_id):
            raise ConflictError("other_content", f"member {content.member_id} is known", pointer="/member_id")
        links, warnings = _same_people(tx, work, content, forms)
        cells = {
            name: v for name in ("name", "language", "birth_month") if (v := getattr(content, name)) not in ("", None)
        }
        _put(tx, work, content.member_id, cells | {_cell(kind): form for kind, form in forms.items()})
        for kind, form in forms.items():
            _identify(tx, work, content.member_id, content.member_id, kind, form)
        for other, kind in links.items():
            key = key_of(content.member_id, "link", other)
            fact = LinkFact(link_id=key, a=content.member_id, b=other, evidence=f"same {kind}", at=utc(work.now_ms))
            record_fact(tx, work.replica, LINK, fact)
        for purpose, choice in sorted(content.consents.items()):
            key = key_of(content.member_id, "consent", purpose)
            consent = Consent(consent_id=key, purpose=purpose, choice=choice, how=content.how)
            _say(tx, work, content.member_id, consent)
        _note(tx, content.member_id, "enrol", content.member_id, _print_of(content))
        if not links:  # who was a member already is welcomed no second time
            warnings += welcome(tx, work.replica, work.rules, content.member_id, now_ms=work.now_ms)
        return Written("created", _canonical(tx, content.member_id), warnings)

    return job


def edit_job(work: Work, member_id: str, content: MemberEdit) -> Job:
    """Return the job that changes a person; cells go to its canonical member, an identity is replaced at all of them.

    What the person says already is nobody's to refuse, whoever else says it. RefusedError (member_empty): the last one stays.
    """
    wanted = {kind: text for kind in KINDS if (text := getattr(content, kind)) is not UNSET} | content.identities
    forms = _forms(work.rules, {kind: text for kind, text in wanted.items() if text is not None})
    plain = ("name", "language", "birth_month", "note")

    def job(tx: Connection) -> Written:
        if _is_repeated(tx, content.edit_id, "edit", member_id, _print_of(content)):
            return Written("repeated", _canonical(tx, member_id))
        _must_be_known(tx, member_id)
        ids, _ = person_ids(tx, member_id)
        alive = [each for each in ids if is_known(tx, each)]
        said = [cells_of(tx, each) for each in alive]
        new = {kind: form for kind, form in forms.items() if all(cells.get(_cell(kind)) != form for cells in said)}
        warnings = _check_taken(tx, new, but=ids[0], is_accepted=content.offline)
        cells = {name: v for name in plain if (v := getattr(content, name)) is not UNSET}
        for kind in wanted:
            _take_back(tx, work, content.edit_id, ids, kind)
            for each in alive[1:]:
                if cells_of(tx, each).get(_cell(kind)) is not None:
                    _put(tx, work, each, {_cell(kind): None})
        _put(tx, work, alive[0], cells | {_cell(kind): forms.get(kind) for kind in wanted})
        for kind, form in forms.items():
            _identify(tx, work, content.edit_id, alive[0], kind, form)
        if wanted and not identities_of(tx, ids):
            raise RefusedError(
                "member_empty", "nobody finds a member without any identity; erase it instead", pointer=""
            )
        _note(tx, content.edit_id, "edit", member_id, _print_of(content))
        _tell(tx, work, "member_edited", member_id, " ".join(sorted(wanted.keys() | cells.keys())))
        return Written("created", ids[0], warnings)

    return job


def join_job(work: Work, member_id: str, content: Join) -> Job:
    """Return the job that joins two members; RefusedError (member_itself) for one and the same."""

    def job(tx: Connection) -> Written:
        if _is_repeated(tx, content.link_id, "join", member_id, _print_of(content)):
            return Written("repeated", _canonical(tx, member_id))
        _must_be_known(tx, member_id)
        _must_be_known(tx, content.other, pointer="/other")
        if member_id == content.other:
            raise RefusedError("member_itself", f"{member_id} is one person already", pointer="/other")
        fact = LinkFact(
            link_id=content.link_id, a=member_id, b=content.other, evidence=content.evidence, at=utc(work.now_ms)
        )
        record_fact(tx, work.replica, LINK, fact)
        _note(tx, content.link_id, "join", member_id, _print_of(content))
        _tell(tx, work, "members_joined", member_id, content.other)
        return Written("created", _canonical(tx, member_id))

    return job


def unjoin_job(work: Work, member_id: str, content: Unjoin) -> Job:
    """Return the job that takes a link back; NotFoundError (link) where the person has no such link."""

    def job(tx: Connection) -> Written:
        if _is_repeated(tx, content.undo_id, "unjoin", member_id, _print_of(content)):
            return Written("repeated", _canonical(tx, member_id))
        _must_be_known(tx, member_id)
        if content.link_id not in [link.link_id for link in person_ids(tx, member_id)[1]]:
            raise NotFoundError("link", f"{member_id} has no link {content.link_id!r}", pointer="/link_id")
        fact = UndoFact(
            undo_id=content.undo_id,
            what="link",
            undone=content.link_id,
            reason=content.reason,
            at=utc(work.now_ms),
        )
        record_fact(tx, work.replica, UNDO, fact)
        _note(tx, content.undo_id, "unjoin", member_id, _print_of(content))
        _tell(tx, work, "members_unjoined", member_id, content.reason)
        return Written("created", _canonical(tx, member_id))

    return job


def consent_job(work: Work, member_id: str, content: Consent) -> Job:
    """Return the job that writes a consent down; an opt-in names the opt-outs of the person that are known here."""

    def job(tx: Connection) -> Written:
        if _is_repeated(tx, content.consent_id, "consent", member_id, _print_of(content)):
            return Written("repeated", _canonical(tx, member_id))
        _must_be_known(tx, member_id)
        _say(tx, work, member_id, content)
        _note(tx, content.consent_id, "consent", member_id, _print_of(content))
        return Written("created", _canonical(tx, member_id))

    return job


def tier_job(work: Work, member_id: str, content: TierGiven) -> Job:
    """Return the job that gives a tier where no head office does; RefusedError (tier_is_head_offices) elsewhere."""
    if work.rules.has_cloud:
        raise RefusedError(
            "tier_is_head_offices", "head office gives tiers to the members of this shop", pointer="/tier"
        )

    def job(tx: Connection) -> Written:
        if _is_repeated(tx, content.tier_id, "tier", member_id, _print_of(content)):
            return Written("repeated", _canonical(tx, member_id))
        _must_be_known(tx, member_id)
        ids, _ = person_ids(tx, member_id)
        for place, each in enumerate([each for each in ids if is_known(tx, each)]):
            if not place or cells_of(tx, each).get(TIER):  # one member of the person says it
                _put(tx, work, each, {TIER: content.tier if not place else None})
        _note(tx, content.tier_id, "tier", member_id, _print_of(content))
        _tell(tx, work, "tier_given", member_id, content.tier)
        return Written("created", ids[0])

    return job


def undo_identity(tx: Connection, work: Work, write_id: str, identity_id: str, reason: str) -> None:
    """Take an identity back."""
    key = key_of(write_id, "undo", identity_id)
    fact = UndoFact(undo_id=key, what="identity", undone=identity_id, reason=reason, at=utc(work.now_ms))
    record_fact(tx, work.replica, UNDO, fact)


def key_of(write_id: str, *parts: str) -> str:
    """Return a fact's key, made of the write that it is of."""
    return blake2b("\0".join((write_id, *parts)).encode(), digest_size=16).hexdigest()


def _forms(rules: MemberRules, said: Mapping[str, Any]) -> dict[str, str]:
    try:
        return {
            kind: canonical(kind, text, region=rules.region, declared=rules.declared) for kind, text in said.items()
        }
    except RuleError as err:
        raise RefusedError(err.code, str(err), pointer=err.pointer) from err


def _same_people(
    tx: Connection, work: Work, content: Enrolment, forms: Mapping[str, str]
) -> tuple[dict[str, str], tuple[Warned, ...]]:
    """Return who is joined, with why, and what is noted; raise ConflictError for another's identity that nobody joins."""
    links: dict[str, str] = {}
    noted: list[Warned] = []
    for kind, form in forms.items():
        for other in owners(tx, kind, form):
            if content.join or kind in work.rules.join:
                links.setdefault(other, kind)
            elif content.offline:
                noted.append(Warned("identity_taken", detail=f"{kind} is also {other}'s"))
            else:
                raise _taken(kind, other)
    return links, tuple(noted)


def _check_taken(tx: Connection, forms: Mapping[str, str], *, but: str, is_accepted: bool) -> tuple[Warned, ...]:
    noted = []
    for kind, form in forms.items():
        for other in owners(tx, kind, form):
            if other == but:
                continue
            if not is_accepted:
                raise _taken(kind, other)
            noted.append(Warned("identity_taken", detail=f"{kind} is also {other}'s"))
    return tuple(noted)


def _taken(kind: str, holder: str) -> ConflictError:
    pointer = f"/{kind}" if kind in KINDS else f"/identities/{kind}"
    return ConflictError("identity_taken", f"another member is known by this {kind}", pointer=pointer, holder=holder)


def _identify(  # noqa: PLR0917 - whose, what, by which write
    tx: Connection, work: Work, write_id: str, member_id: str, kind: str, form: str
) -> None:
    key = key_to_write(tx, work.replica, fresh=work.fresh_key, now_ms=work.now_ms)
    fact = IdentityFact(
        identity_id=key_of(write_id, "identity", kind, member_id),
        member_id=member_id,
        of=kind,
        hash=keyed_hash(key.secret, kind, form),
        key_id=key.key_id,
        at=utc(work.now_ms),
    )
    record_fact(tx, work.replica, IDENTITY, fact)


def _take_back(tx: Connection, work: Work, write_id: str, ids: list[str], kind: str) -> None:
    for identity_id, _ in identities_of(tx, ids, kind):
        undo_identity(tx, work, write_id, identity_id, "replaced")


def _say(tx: Connection, work: Work, member_id: str, content: Consent) -> None:
    ids, _ = person_ids(tx, member_id)
    seen = standing_opt_outs(tx, ids, content.purpose) if content.choice == "in" else ()
    fact = ConsentFact(
        consent_id=content.consent_id,
        member_id=member_id,
        purpose=content.purpose,
        choice=content.choice,
        how=content.how or "",
        seen=seen,
        at=utc(work.now_ms),
    )
    record_fact(tx, work.replica, CONSENT, fact)


def _put(tx: Connection, work: Work, member_id: str, cells: Mapping[str, Any]) -> None:
    """Write cells and words. Any: JSON."""
    write_stamped(tx, work.replica, MEMBER, member_id, cells, stamped=work.stamped)
    index_member(tx, member_id)


def _cell(kind: str) -> str:
    return kind if kind in KINDS else DECLARED + kind


def _canonical(tx: Connection, member_id: str) -> str:
    return person_ids(tx, member_id)[0][0]


def _must_be_known(tx: Connection, member_id: str, *, pointer: str = "") -> None:
    if is_known(tx, member_id):
        return
    if is_erased(tx, member_id):
        raise NotFoundError("member_erased", f"member {member_id} was erased", pointer=pointer)
    raise NotFoundError("member", f"no member {member_id!r}", pointer=pointer)


def _print_of(content: Struct) -> bytes:
    return blake2b(msgspec.json.encode(content, order="deterministic"), digest_size=16).digest()


def _is_repeated(tx: Connection, write_id: str, what: str, member_id: str, fingerprint: bytes) -> bool:
    row = tx.execute(
        "SELECT what, member_id, content_hash FROM member_write WHERE write_id = ?", (write_id,)
    ).fetchone()
    if row is None:
        return False
    if not row[2]:
        raise ConflictError("member_erased", f"member {row[1]} was erased")
    if row != (what, member_id, fingerprint):
        raise ConflictError("other_content", f"{write_id} is known with other content")
    return True


def _tell(tx: Connection, work: Work, action: str, member_id: str, reason: str) -> None:
    """Write it down for the manager: ids, fields and words of this program, nothing that a person has typed."""
    note(tx, actor=work.actor, action=action, subject=member_id, reason=reason, now_ms=work.now_ms)


def _note(tx: Connection, write_id: str, what: str, member_id: str, fingerprint: bytes) -> None:
    tx.execute(
        "INSERT INTO member_write (write_id, what, member_id, content_hash) VALUES (?, ?, ?, ?)",
        (write_id, what, member_id, fingerprint),
    )
