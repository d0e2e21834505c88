-- The outbox: letters that wait for the mail server, and what became of those before. `body` holds recipient, subject and
-- text under the seal and is erased with the end; the other columns are for finding the row and for the status page.
CREATE TABLE mails (
    id TEXT PRIMARY KEY NOT NULL,
    person TEXT REFERENCES persons (id),
    recipient TEXT NOT NULL,
    letter TEXT NOT NULL,
    urgent INTEGER NOT NULL,
    state TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    give_up_at INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    late INTEGER NOT NULL,
    ended_at INTEGER,
    trouble TEXT,
    body BLOB
) STRICT;
CREATE INDEX mails_state ON mails (state, next_at);
CREATE INDEX mails_made ON mails (made_at);
