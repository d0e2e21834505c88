-- Accounts: tokens for automation, what is known of the use of accounts, leavers, privileged rights, reviews.

-- Tokens. `body` holds the token under the seal, the hash of its code included; the columns beside it find the row.
CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY NOT NULL,
    person TEXT NOT NULL REFERENCES persons (id),
    hash TEXT NOT NULL UNIQUE,
    ends_at BIGINT NOT NULL,
    is_open BIGINT NOT NULL,
    used_at BIGINT,
    used_from TEXT,
    body TEXT NOT NULL,
    seal BYTEA
);
CREATE INDEX api_tokens_person ON api_tokens (person, is_open);
CREATE INDEX api_tokens_open ON api_tokens (is_open, ends_at);

-- When somebody of the hospital looked after an account last, and when the box disabled it because nobody used it.
CREATE TABLE account_states (
    person TEXT PRIMARY KEY NOT NULL REFERENCES persons (id),
    kept_at BIGINT NOT NULL,
    dormant_at BIGINT
);

-- Leavers. `ended_at` is NULL until their last day has passed.
CREATE TABLE leavers (
    person TEXT PRIMARY KEY NOT NULL REFERENCES persons (id),
    ended_at BIGINT,
    body TEXT NOT NULL
);

-- The register of privileged rights: `administrator:PERSON`, `planner:PERSON`, `account:ACCOUNT`.
CREATE TABLE privileges (
    subject TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL
);

-- Reviews of accounts, each whole in its `body` under the seal.
CREATE TABLE reviews (
    id TEXT PRIMARY KEY NOT NULL,
    closed BIGINT NOT NULL,
    deadline BIGINT NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA
);
CREATE INDEX reviews_open ON reviews (closed, deadline);
