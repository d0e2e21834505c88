-- The functions of SSH: rules for commands, control of running sessions, key windows, certificates, rotation, search.

-- 1 while a host key that is not pinned was seen on the target and nobody has decided on it. The row's body says the same
-- under its seal; this column finds the row.
ALTER TABLE targets ADD COLUMN alarmed INTEGER NOT NULL DEFAULT 0;

-- Connection tests. `body` is the JSON of what was seen, empty while a test runs. `authority` is the fingerprint of the key
-- that had signed the test's certificate, empty for other credentials.
CREATE TABLE account_tests (
    account TEXT NOT NULL REFERENCES accounts (id),
    at INTEGER NOT NULL,
    tester TEXT NOT NULL,
    authority TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (account, at)
) STRICT;

-- Key windows. `body` holds the window under the seal; the columns beside it find the row.
CREATE TABLE key_windows (
    id TEXT PRIMARY KEY NOT NULL,
    person TEXT NOT NULL REFERENCES persons (id),
    ends_at INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    body TEXT NOT NULL,
    seal BLOB NOT NULL
) STRICT;
CREATE INDEX key_windows_open ON key_windows (is_open, ends_at);

-- Marks that were set on a recording after its session; the recording itself is sealed.
CREATE TABLE session_marks (
    session TEXT NOT NULL REFERENCES sessions (id),
    n INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    made_by TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (session, n)
) STRICT;

-- Exchange of credentials by Sekisho itself. `candidate` is the sealed credential that takes the place of the one in force:
-- while it stands, which of the two opens the account is not certain. `last` is the JSON of how the last exchange ended.
CREATE TABLE rotations (
    account TEXT PRIMARY KEY NOT NULL REFERENCES accounts (id),
    mode TEXT NOT NULL,
    asked INTEGER NOT NULL,
    used_at INTEGER,
    candidate BLOB,
    tries INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    done_at INTEGER,
    last TEXT
) STRICT;

-- Recorded sessions of Sekisho itself: no worker, no plan. The columns of an end are NULL while one runs.
CREATE TABLE robot_sessions (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL REFERENCES accounts (id),
    target TEXT NOT NULL REFERENCES targets (id),
    started_at INTEGER NOT NULL,
    header_digest TEXT NOT NULL,
    ended_at INTEGER,
    cause TEXT,
    digest TEXT,
    bytes INTEGER,
    outcome TEXT
) STRICT;
CREATE INDEX robot_sessions_target ON robot_sessions (target, started_at);

-- Command rules of a class of targets, one row for each class that was ever changed. `body` is JSON under the seal.
CREATE TABLE command_rules (
    id TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL,
    seal BLOB
) STRICT;

-- Alerts that stand before the hospital until somebody has seen them. What they tell is in the log, too.
CREATE TABLE alerts (
    n INTEGER PRIMARY KEY NOT NULL,
    session TEXT NOT NULL,
    at INTEGER NOT NULL,
    note TEXT NOT NULL,
    seen_at INTEGER,
    seen_by TEXT
) STRICT;
CREATE INDEX alerts_open ON alerts (seen_at, n);
