-- The functions of SSH: rules for commands, control of running sessions, key windows, certificates, rotation, search.

-- 1 while a host key that is not pinned was seen on the target and nobody has decided on it. The row's body says the same
-- under its seal; this column finds the row.
ALTER TABLE targets ADD COLUMN alarmed BIGINT NOT NULL DEFAULT 0;

-- Connection tests. `body` is the JSON of what was seen, empty while a test runs. `authority` is the fingerprint of the key
-- that had signed the test's certificate, empty for other credentials.
CREATE TABLE account_tests (
    account TEXT NOT NULL REFERENCES accounts (id),
    at BIGINT NOT NULL,
    tester TEXT NOT NULL,
    authority TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (account, at)
);

-- Key windows. `body` holds the window under the seal; the columns beside it find the row.
CREATE TABLE key_windows (
    id TEXT PRIMARY KEY NOT NULL,
    person TEXT NOT NULL REFERENCES persons (id),
    ends_at BIGINT NOT NULL,
    is_open BIGINT NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA NOT NULL
);
CREATE INDEX key_windows_open ON key_windows (is_open, ends_at);

-- Marks that were set on a recording after its session; the recording itself is sealed.
CREATE TABLE session_marks (
    session TEXT NOT NULL REFERENCES sessions (id),
    n BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    made_by TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (session, n)
);
