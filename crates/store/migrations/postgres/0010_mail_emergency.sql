-- The outbox: letters that wait for the mail server, and what became of those before. `body` holds recipient, subject and
-- text under the seal and is erased with the end; the other columns are for finding the row and for the status page.
CREATE TABLE mails (
    id TEXT PRIMARY KEY NOT NULL,
    person TEXT REFERENCES persons (id),
    recipient TEXT NOT NULL,
    letter TEXT NOT NULL,
    urgent BIGINT NOT NULL,
    state TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    give_up_at BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    late BIGINT NOT NULL,
    ended_at BIGINT,
    trouble TEXT,
    body BYTEA
);
CREATE INDEX mails_state ON mails (state, next_at);
CREATE INDEX mails_made ON mails (made_at);

-- Emergency accounts. `body` is under the seal; `password` and `card` hold the hashes of what is in the envelopes, sealed and
-- bound to the number of the envelope, and are NULL while there is none.
CREATE TABLE emergency_accounts (
    id TEXT PRIMARY KEY NOT NULL,
    person TEXT NOT NULL UNIQUE REFERENCES persons (id),
    login TEXT NOT NULL UNIQUE,
    is_open BIGINT NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA,
    password BYTEA,
    card BYTEA
);

-- Uses of emergency accounts, each whole in its `body` under the seal. `is_due` until it is closed and reviewed.
CREATE TABLE emergency_uses (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL REFERENCES emergency_accounts (id),
    opened_at BIGINT NOT NULL,
    is_due BIGINT NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA
);
CREATE INDEX emergency_uses_due ON emergency_uses (is_due, opened_at);
