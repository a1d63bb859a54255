-- What should go from place to place, and of what was accepted how the sender was asked: `n` is the version that it was told last,
-- 0 where it was told nothing; `asked_ms`, `until_ms` (0: nobody said) and `note` are of that. `refused` is why it does not go, JSON.
CREATE TABLE transfer_proposal_asked (
  proposal_id TEXT PRIMARY KEY,
  day INTEGER NOT NULL,
  sender TEXT NOT NULL,
  receiver TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('proposed', 'accepted', 'sent', 'dismissed', 'withdrawn', 'refused')),
  transfer_id TEXT NOT NULL,
  lines BLOB NOT NULL,
  n INTEGER NOT NULL DEFAULT 0,
  asked_ms INTEGER NOT NULL DEFAULT 0,
  until_ms INTEGER NOT NULL DEFAULT 0,
  note TEXT NOT NULL DEFAULT '',
  refused BLOB
) STRICT, WITHOUT ROWID;
INSERT INTO transfer_proposal_asked (proposal_id, day, sender, receiver, state, transfer_id, lines)
SELECT proposal_id, day, sender, receiver, state, transfer_id, lines FROM transfer_proposal;
DROP TABLE transfer_proposal;
ALTER TABLE transfer_proposal_asked RENAME TO transfer_proposal;
CREATE INDEX transfer_proposal_state ON transfer_proposal (state, proposal_id);
CREATE INDEX transfer_proposal_transfer ON transfer_proposal (transfer_id);
