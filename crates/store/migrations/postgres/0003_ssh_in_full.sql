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

-- Exchange of credentials by Sekisho itself. `candidate` is the sealed credential that takes the place of the one in force:
-- while it stands, which of the two opens the account is not certain. `last` is the JSON of how the last exchange ended.
CREATE TABLE rotations (
    account TEXT PRIMARY KEY NOT NULL REFERENCES accounts (id),
    mode TEXT NOT NULL,
    asked BIGINT NOT NULL,
    used_at BIGINT,
    candidate BYTEA,
    tries BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    done_at BIGINT,
    last TEXT
);

-- Recorded sessions of Sekisho itself: no worker, no plan. The columns of an end are NULL while one runs.
CREATE TABLE robot_sessions (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL REFERENCES accounts (id),
    target TEXT NOT NULL REFERENCES targets (id),
    started_at BIGINT NOT NULL,
    header_digest TEXT NOT NULL,
    ended_at BIGINT,
    cause TEXT,
    digest TEXT,
    bytes BIGINT,
    outcome TEXT
);
CREATE INDEX robot_sessions_target ON robot_sessions (target, started_at);

-- Command rules of a class of targets, one row for each class that was ever changed. `body` is JSON under the seal.
CREATE TABLE command_rules (
    id TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA
);

-- Alerts that stand before the hospital until somebody has seen them. What they tell is in the log, too.
CREATE TABLE alerts (
    n BIGINT PRIMARY KEY NOT NULL,
    session TEXT NOT NULL,
    at BIGINT NOT NULL,
    note TEXT NOT NULL,
    seen_at BIGINT,
    seen_by TEXT
);
CREATE INDEX alerts_open ON alerts (seen_at, n);
