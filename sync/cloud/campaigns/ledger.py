"""What becomes of each message: claimed before it is sent, settled by the answer. Functions of a write job, and reads.

    queued     not yet looked at, or put off: quiet hours, a service that is busy
    claimed    it is being sent, or was when this process ended: LEASE_MS later it is asked again by its key, or is unknown
    sent       the service has it;  failed: it refused it for good
    refused    nobody may be written to: no yes, no address, gone, no coupon, one person twice
    unknown    it may have been sent, and nobody can be asked: a person decides

Whoever has not said yes when a message is claimed gets none. The claim looks at all rows that have arrived in its own
transaction; while there are more than that takes, nothing is claimed. A message that is asked again is looked at again: who has
said no meanwhile is not asked for again, and the message is unknown.
"""

import json
from collections.abc import Sequence
from datetime import time
from hashlib import blake2b
from sqlite3 import Connection
from typing import Literal
from uuid import UUID

from msgspec import Struct

from sync.cloud.campaigns.campaigns import Campaign, campaigns_in, set_state
from sync.cloud.campaigns.issues import serial_for
from sync.cloud.campaigns.texts import language_of, places_in, quiet_until, render
from sync.cloud.persons.arriving import look_at_people
from sync.cloud.persons.people import person_ids, words_of
from sync.cloud.persons.purchases import home_store
from sync.cloud.persons.registers import shown_of
from sync.cloud.senders.calls import Letter, Outcome
from sync.cloud.senders.settings import SenderLine
from sync.errors import BusyError
from sync.model import Replica

LOOKED_MAX = 200  # messages that are looked at in one claim
LEASE_MS = 60_000  # longer than any call takes
KEY_MS = 23 * 3_600_000  # for which a retry key is good; LINE's is for 24 hours
ATTEMPTS_MAX = 6
BACKOFF_MS = 60_000

Decision = Literal["sent", "failed", "again"]


class Claimed(Struct, frozen=True):
    """A letter that is to be sent now; `persons` are whose messages it is."""

    campaign_id: str
    persons: tuple[str, ...]
    letter: Letter
    is_again: bool = False


class Looked(Struct, frozen=True):
    """What a claim came to: a letter, or that rows are still to be looked at; `refused` counts who is not written to."""

    claimed: Claimed | None = None
    is_behind: bool = False
    refused: int = 0
    has_more: bool = False


class _Ready(Struct, frozen=True):
    person: str
    address: str
    text: str


def claim(tx: Connection, own: Replica, line: SenderLine, *, zones: dict[str, str], now_ms: int) -> Looked:
    """Claim the next letter of a sender: one that was cut off, else the next that is queued."""
    if look_at_people(tx, own, now_ms=now_ms):
        return Looked(is_behind=True)
    for campaign in campaigns_in(tx, "running"):
        if campaign.sender != line.sender.name:
            continue
        again = _claim_again(tx, campaign, line, now_ms=now_ms)
        if again is not None:
            return again
        looked = _claim_next(tx, campaign, line, zones=zones, now_ms=now_ms)
        if looked is not None:
            return looked
        if not _is_open(tx, campaign.campaign_id):
            set_state(tx, campaign.campaign_id, "done")
    return Looked()


def settle(tx: Connection, claimed: Claimed, outcome: Outcome, line: SenderLine, *, now_ms: int) -> None:
    """Write down what became of a letter; of one that was settled meanwhile nothing changes."""
    persons = _list(claimed.persons)
    attempts = tx.execute(
        "SELECT COALESCE(MAX(attempts), 0) FROM message WHERE campaign_id = ? AND retry_key = ?",
        (claimed.campaign_id, claimed.letter.key),
    ).fetchone()[0]
    state, why, not_before_ms = "claimed", outcome.why, now_ms + BACKOFF_MS * 2**attempts
    if outcome.verdict in ("sent", "failed"):
        state = outcome.verdict
    elif outcome.verdict in ("later", "quota"):
        # a letter that was cut off before may have been taken then: its key is asked again, whatever is said now
        state = "claimed" if claimed.is_again else "queued"
        not_before_ms = now_ms + int(outcome.after_s * 1000)
    elif not line.sender.knows_keys or attempts >= ATTEMPTS_MAX:
        state = "unknown"
    tx.execute(
        """
        UPDATE message SET state = ?, why = ?, request_id = ?, not_before_ms = ?, changed_ms = ?
        WHERE campaign_id = ? AND retry_key = ? AND state = 'claimed'
          AND person_id IN (SELECT value FROM json_each(?))
        """,
        (state, why, outcome.request_id, not_before_ms, now_ms, claimed.campaign_id, claimed.letter.key, persons),
    )
    if outcome.verdict == "quota":
        set_state(tx, claimed.campaign_id, "quota")


def due_ms(read: Connection) -> int | None:
    """Return when the next message of a running campaign is to be looked at; None where none waits."""
    row = read.execute(
        """
        SELECT MIN(message.not_before_ms) FROM message JOIN campaign ON campaign.campaign_id = message.campaign_id
        WHERE campaign.state = 'running' AND message.state IN ('queued', 'claimed')
        """
    ).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def messages_of(
    read: Connection, campaign_id: str, *, state: str, after: str, limit: int
) -> list[tuple[str, str, str, int, int, str]]:
    """Return (person, state, why, attempts, when it changed, the service's number) behind a person; state empty: any."""
    return read.execute(
        """
        SELECT person_id, state, why, attempts, changed_ms, request_id FROM message
        WHERE campaign_id = ? AND (? = '' OR state = ?) AND person_id > ? ORDER BY person_id LIMIT ?
        """,
        (campaign_id, state, state, after, limit),
    ).fetchall()


def decide_unknown(tx: Connection, campaign_id: str, person: str, decision: Decision, *, now_ms: int) -> bool | None:
    """A person says what became of an unknown message, or that it is to be sent again; None where there is none."""
    state = "queued" if decision == "again" else decision
    row = tx.execute(
        "SELECT state FROM message WHERE campaign_id = ? AND person_id = ?", (campaign_id, person)
    ).fetchone()
    if row is None or row[0] not in ("unknown", state):
        return None
    if row[0] == "unknown":
        tx.execute(
            """
            UPDATE message SET state = ?, why = 'by hand', retry_key = '', attempts = 0, not_before_ms = 0, changed_ms = ?
            WHERE campaign_id = ? AND person_id = ?
            """,
            (state, now_ms, campaign_id, person),
        )
        if decision == "again":
            tx.execute("UPDATE campaign SET state = 'running' WHERE campaign_id = ? AND state = 'done'", (campaign_id,))
    return bool(row[0] == "unknown")


def _claim_again(tx: Connection, campaign: Campaign, line: SenderLine, *, now_ms: int) -> Looked | None:
    """Ask again for a letter that was cut off, or say that nobody knows."""
    row = tx.execute(
        """
        SELECT retry_key, attempts, claimed_ms FROM message
        WHERE campaign_id = ? AND state = 'claimed' AND not_before_ms <= ? ORDER BY claimed_ms, retry_key LIMIT 1
        """,
        (campaign.campaign_id, now_ms),
    ).fetchone()
    if row is None:
        return None
    key, attempts, claimed_ms = row
    persons = [
        person
        for (person,) in tx.execute(
            "SELECT person_id FROM message WHERE campaign_id = ? AND retry_key = ? AND state = 'claimed' ORDER BY person_id",
            (campaign.campaign_id, key),
        ).fetchall()
    ]
    ready = [_ready(tx, campaign, line, person) for person in persons]
    is_good = line.sender.knows_keys and now_ms - claimed_ms < KEY_MS and attempts < ATTEMPTS_MAX
    texts = {each.text for each in ready if isinstance(each, _Ready)}
    if not is_good or len(texts) != 1 or not all(isinstance(each, _Ready) for each in ready):
        said = next((each for each in ready if isinstance(each, str)), "nobody answered")
        _set(tx, campaign.campaign_id, persons, "unknown", said, now_ms=now_ms)
        return Looked(has_more=True)
    letter = Letter(key, tuple(each.address for each in ready if isinstance(each, _Ready)), texts.pop())
    again = tx.execute(
        """
        UPDATE message SET attempts = attempts + 1, not_before_ms = ?
        WHERE campaign_id = ? AND retry_key = ? AND state = 'claimed' AND not_before_ms <= ?
        """,
        (now_ms + LEASE_MS, campaign.campaign_id, key, now_ms),
    )
    _must_be_ours(again.rowcount, persons)
    return Looked(Claimed(campaign.campaign_id, tuple(persons), letter, is_again=True))


def _claim_next(
    tx: Connection, campaign: Campaign, line: SenderLine, *, zones: dict[str, str], now_ms: int
) -> Looked | None:
    """Look at the next messages until a letter is full; None where none is due."""
    due = tx.execute(
        """
        SELECT person_id FROM message WHERE campaign_id = ? AND state = 'queued' AND not_before_ms <= ?
        ORDER BY not_before_ms, person_id LIMIT ?
        """,
        (campaign.campaign_id, now_ms, max(LOOKED_MAX, line.sender.group_max)),
    ).fetchall()
    if not due:
        return None
    taken: list[_Ready] = []
    refused = 0
    size = 1 if places_in(campaign.texts) else line.sender.group_max
    for (person,) in due:
        if len(taken) == size:
            break
        said = _may_be_sent(tx, campaign, line, person, taken)
        if isinstance(said, str):
            _set(tx, campaign.campaign_id, [person], "refused", said, now_ms=now_ms)
            refused += 1
        elif (until_ms := _quiet(tx, line, person, zones, now_ms)) > now_ms:
            tx.execute(
                "UPDATE message SET not_before_ms = ?, why = 'quiet hours' WHERE campaign_id = ? AND person_id = ?",
                (until_ms, campaign.campaign_id, person),
            )
        elif not taken or said.text == taken[0].text:
            taken.append(said)
    if not taken:
        return Looked(refused=refused, has_more=True)
    return Looked(_claimed(tx, campaign, taken, now_ms), refused=refused)


def _claimed(tx: Connection, campaign: Campaign, taken: Sequence[_Ready], now_ms: int) -> Claimed:
    persons = tuple(each.person for each in taken)
    tries = tx.execute(
        "SELECT COALESCE(MAX(changed_ms), 0) FROM message WHERE campaign_id = ? AND person_id = ?",
        (campaign.campaign_id, persons[0]),
    ).fetchone()[0]
    key = retry_key(campaign.campaign_id, persons, tries)
    claimed = tx.execute(
        """
        UPDATE message SET state = 'claimed', why = '', retry_key = ?, attempts = 0, claimed_ms = ?, not_before_ms = ?,
          changed_ms = ?
        WHERE campaign_id = ? AND state = 'queued' AND person_id IN (SELECT value FROM json_each(?))
        """,
        (key, now_ms, now_ms + LEASE_MS, now_ms, campaign.campaign_id, _list(persons)),
    )
    _must_be_ours(claimed.rowcount, persons)
    return Claimed(campaign.campaign_id, persons, Letter(key, tuple(each.address for each in taken), taken[0].text))


def retry_key(campaign_id: str, persons: Sequence[str], since_ms: int) -> str:
    """Return the UUID of an attempt: of these persons, queued since that moment."""
    said = json.dumps([campaign_id, list(persons), since_ms]).encode()
    return str(UUID(bytes=blake2b(said, digest_size=16).digest(), version=4))


def _may_be_sent(
    tx: Connection, campaign: Campaign, line: SenderLine, person: str, taken: Sequence[_Ready]
) -> _Ready | str:
    """Return the letter of a person, or why there is none; `taken` are those of the same call."""
    others = [each for each in person_ids(tx, person) if each != person]
    if {each.person for each in taken} & set(others) or _was_written_to(tx, campaign.campaign_id, others):
        return "one person twice"
    ready = _ready(tx, campaign, line, person)
    if isinstance(ready, _Ready) and ready.address in {each.address for each in taken}:
        return "one address twice"
    return ready


def _ready(tx: Connection, campaign: Campaign, line: SenderLine, person: str) -> _Ready | str:
    ids = person_ids(tx, person)
    shown = shown_of(tx, ids)
    if shown is None:
        return "gone"
    word = words_of(tx, ids)[campaign.purpose]
    if word != "in":
        return "opted out" if word == "out" else "no consent"
    address = line.sender.address_of(shown)
    if not address:
        return "no address"
    serial = serial_for(tx, campaign.issue_id, ids) if campaign.issue_id else ""
    if campaign.issue_id and not serial:
        return "no coupon"
    values = {"name": str(shown.get("name", "")), "serial": serial}
    if "points" in places_in(campaign.texts):
        values["points"] = str(_points(tx, ids))
    text = campaign.texts[language_of(shown.get("language"), campaign.texts)]
    return _Ready(person, address, render(text, values))


def _was_written_to(read: Connection, campaign_id: str, ids: Sequence[str]) -> bool:
    found = """
        SELECT 1 FROM message WHERE campaign_id = ? AND state IN ('claimed', 'sent', 'unknown')
          AND person_id IN (SELECT value FROM json_each(?))
    """
    return bool(ids) and read.execute(found, (campaign_id, _list(ids))).fetchone() is not None


def _quiet(read: Connection, line: SenderLine, person: str, zones: dict[str, str], now_ms: int) -> int:
    if line.quiet == (time(), time()):
        return 0
    store = home_store(read, person_ids(read, person))
    return quiet_until(line.quiet, zones.get(store, line.zone), now_ms)


def _points(read: Connection, ids: Sequence[str]) -> int:
    row = read.execute(
        "SELECT COALESCE(SUM(points), 0) FROM member_points WHERE member_id IN (SELECT value FROM json_each(?))",
        (_list(ids),),
    ).fetchone()
    return int(row[0])


def _is_open(read: Connection, campaign_id: str) -> bool:
    found = "SELECT 1 FROM message WHERE campaign_id = ? AND state IN ('queued', 'claimed') LIMIT 1"
    return read.execute(found, (campaign_id,)).fetchone() is not None


def _must_be_ours(count: int, persons: Sequence[str]) -> None:
    """Undo a claim that another worker has made meanwhile."""
    if count != len(persons):
        raise BusyError("busy", "another worker has claimed these messages")


def _set(tx: Connection, campaign_id: str, persons: Sequence[str], state: str, why: str, *, now_ms: int) -> None:
    tx.execute(
        """
        UPDATE message SET state = ?, why = ?, changed_ms = ?
        WHERE campaign_id = ? AND person_id IN (SELECT value FROM json_each(?))
        """,
        (state, why, now_ms, campaign_id, _list(persons)),
    )


def _list(names: Sequence[str]) -> str:
    return json.dumps(sorted(names))
