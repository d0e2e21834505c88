-- What becomes of recordings once their session has ended. Derived from log and files, for lists and for the order of work: what is
-- deleted goes by the entries of the log, never by a column. `state` is `kept`, `aside` (damaged, set aside), `going` (its deletion is
-- in the log, a copy is still to be removed) or `gone`.
CREATE TABLE recording_care (
    session TEXT PRIMARY KEY NOT NULL,
    class TEXT NOT NULL,
    ended_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    state TEXT NOT NULL,
    checked_at INTEGER,
    next_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX recording_care_due ON recording_care (state, class, ended_at);

-- When the content of an attachment was deleted; its name and digest stay.
ALTER TABLE attachments ADD COLUMN erased_at INTEGER;
