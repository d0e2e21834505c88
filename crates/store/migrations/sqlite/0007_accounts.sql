-- Accounts: tokens for automation, what is known of the use of accounts, leavers, privileged rights, reviews.

-- Tokens. `body` holds the token under the seal, the hash of its code included; the columns beside it find the row.
CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY NOT NULL,
    person TEXT NOT NULL REFERENCES persons (id),
    hash TEXT NOT NULL UNIQUE,
    ends_at INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    used_at INTEGER,
    used_from TEXT,
    body TEXT NOT NULL,
    seal BLOB
) STRICT;
CREATE INDEX api_tokens_person ON api_tokens (person, is_open);
CREATE INDEX api_tokens_open ON api_tokens (is_open, ends_at);
