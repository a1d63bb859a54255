"""Campaigns as they are declared, and their messages queued: one for each person of a segment.

    queueing   the segment is gone through in parts, also after a kill
    running    messages are claimed and sent
    stopped    by a person; quota: the service has no messages left this month. Either goes on when a person says so
    done       nothing is queued, claimed or waits for an answer

Functions of a write job, and reads. Not here: what becomes of one message (sync.cloud.campaigns.ledger).
"""

from collections.abc import Collection
from sqlite3 import Connection
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from sync.cloud.campaigns.issues import issue_of
from sync.cloud.campaigns.texts import check_texts, places_in
from sync.cloud.segments.segments import kept_of, persons_in
from sync.errors import RuleError
from sync.retail.people.consents import Purpose
from sync.retail.selling.sales import Id

PART = 500  # persons of one write job

State = Literal["queueing", "running", "stopped", "quota", "done"]
Text = Annotated[str, Meta(max_length=4000)]


class Campaign(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A message for a segment by a sender of cloud.toml; `issue_id`: the coupons that {serial} names."""

    campaign_id: Id
    segment: Id
    sender: Annotated[str, Meta(min_length=1, max_length=40)]
    texts: dict[str, Text]
    purpose: Purpose = "marketing"
    issue_id: Id | None = None


class CampaignView(Struct, frozen=True):
    """How far a campaign has come: messages by state."""

    campaign: Campaign
    state: State
    messages: dict[str, int]


_campaign = msgspec.json.Decoder(Campaign).decode


def begin_campaign(tx: Connection, wanted: Campaign, senders: Collection[str], *, now_ms: int) -> bool:
    """Declare a campaign, once; return whether it is new. RuleError names what is wrong."""
    before = campaign_of(tx, wanted.campaign_id)
    if before is not None:
        if before.campaign != wanted:
            raise RuleError("other_content", "/campaign_id", f"{wanted.campaign_id} is known with other content")
        return False
    check_texts(wanted.texts)
    if wanted.sender not in senders:
        known = ", ".join(sorted(senders)) or "none; write [senders.NAME] in cloud.toml"
        raise RuleError("sender", "/sender", f"no sender {wanted.sender!r}; known: {known}")
    if kept_of(tx, wanted.segment) is None:
        raise RuleError("segment", "/segment", f"no segment {wanted.segment!r}")
    if "serial" in places_in(wanted.texts) and (wanted.issue_id is None or issue_of(tx, wanted.issue_id) is None):
        raise RuleError("campaign_text", "/issue_id", "{serial} needs the issue of its coupons")
    tx.execute(
        "INSERT INTO campaign (campaign_id, body, state, after_person, made_ms) VALUES (?, ?, 'queueing', '', ?)",
        (wanted.campaign_id, msgspec.json.encode(wanted), now_ms),
    )
    return True


def queueing_campaigns(read: Connection) -> list[str]:
    """Return the campaigns whose messages are not all queued; one that waits for its coupons is not among them."""
    rows = read.execute(
        "SELECT campaign_id, body FROM campaign WHERE state = 'queueing' ORDER BY made_ms, campaign_id"
    ).fetchall()
    return [campaign_id for campaign_id, body in rows if not _waits(read, _campaign(body))]


def queue_part(tx: Connection, campaign_id: str, *, now_ms: int) -> State:
    """Queue messages for the next PART persons; return how the campaign stands."""
    row = tx.execute("SELECT body, after_person FROM campaign WHERE campaign_id = ?", (campaign_id,)).fetchone()
    persons = persons_in(tx, _campaign(row[0]).segment, after=row[1], limit=PART)
    tx.executemany(
        """
        INSERT INTO message (campaign_id, person_id, state, why, retry_key, attempts, claimed_ms, not_before_ms,
          changed_ms, request_id)
        VALUES (?, ?, 'queued', '', '', 0, 0, 0, ?, '') ON CONFLICT DO NOTHING
        """,
        [(campaign_id, person, now_ms) for person, _ in persons],
    )
    state: State = "queueing" if len(persons) == PART else "running"
    tx.execute(
        "UPDATE campaign SET state = ?, after_person = ? WHERE campaign_id = ?",
        (state, persons[-1][0] if persons else row[1], campaign_id),
    )
    return state


def campaign_of(read: Connection, campaign_id: str) -> CampaignView | None:
    """Return how a campaign stands."""
    row = read.execute("SELECT body, state FROM campaign WHERE campaign_id = ?", (campaign_id,)).fetchone()
    if row is None:
        return None
    counts = read.execute(
        "SELECT state, COUNT(*) FROM message WHERE campaign_id = ? GROUP BY state ORDER BY state", (campaign_id,)
    ).fetchall()
    return CampaignView(_campaign(row[0]), row[1], {state: int(count) for state, count in counts})


def campaigns_in(read: Connection, state: State) -> list[Campaign]:
    """Return the campaigns of a state, oldest first."""
    rows = read.execute("SELECT body FROM campaign WHERE state = ? ORDER BY made_ms, campaign_id", (state,)).fetchall()
    return [_campaign(body) for (body,) in rows]


def switch(tx: Connection, campaign_id: str, state: Literal["stopped", "running"]) -> State | None:
    """Stop a campaign or let it go on; return how it stands, None for an unknown one. What is done stays done."""
    others = ("queueing", "running") if state == "stopped" else ("stopped", "quota")
    before = tx.execute("SELECT state FROM campaign WHERE campaign_id = ?", (campaign_id,)).fetchone()
    if before is None:
        return None
    if before[0] not in others:
        now: State = before[0]
        return now
    after: State = "queueing" if state == "running" else "stopped"  # who is queued already is queued once
    set_state(tx, campaign_id, after)
    return after


def set_state(tx: Connection, campaign_id: str, state: State) -> None:
    """Write how a campaign stands."""
    tx.execute("UPDATE campaign SET state = ? WHERE campaign_id = ?", (state, campaign_id))


def _waits(read: Connection, campaign: Campaign) -> bool:
    """Whether the coupons that it names are still being given."""
    issue = issue_of(read, campaign.issue_id) if campaign.issue_id else None
    return issue is not None and issue.state == "running"
