-- Times are milliseconds since 1970 (UTC), flags are 0 or 1, `body` columns of aggregates are JSON.
CREATE TABLE meta (
    key TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT;

-- The audit log. `body` is the entry itself, byte for byte as it is hashed; the other columns are indexes into it.
CREATE TABLE log (
    seq INTEGER PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    session TEXT,
    plan TEXT,
    person TEXT,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX log_session ON log (session) WHERE session IS NOT NULL;
CREATE INDEX log_plan ON log (plan) WHERE plan IS NOT NULL;
CREATE INDEX log_person ON log (person) WHERE person IS NOT NULL;
CREATE INDEX log_kind ON log (kind, seq);

CREATE TABLE checkpoints (
    size INTEGER PRIMARY KEY NOT NULL,
    root TEXT NOT NULL,
    at INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;

CREATE TABLE vendors (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    subcontractor_of TEXT REFERENCES vendors (id),
    active INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE persons (
    id TEXT PRIMARY KEY NOT NULL,
    login TEXT NOT NULL UNIQUE,
    vendor TEXT REFERENCES vendors (id),
    active INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

-- A person without a row here has not enrolled and cannot log in. `last_step` is the time step of the last one-time
-- code that was taken, so that no code is taken twice.
CREATE TABLE credentials (
    person TEXT PRIMARY KEY NOT NULL REFERENCES persons (id),
    password TEXT NOT NULL,
    totp BLOB NOT NULL,
    last_step INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE old_passwords (
    person TEXT NOT NULL REFERENCES persons (id),
    changed_at INTEGER NOT NULL,
    password TEXT NOT NULL,
    PRIMARY KEY (person, changed_at)
) STRICT;

-- `subject` is `person:<id>` or `source:<address>`.
CREATE TABLE failures (
    subject TEXT PRIMARY KEY NOT NULL,
    count INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    locks INTEGER NOT NULL,
    locked_until INTEGER NOT NULL
) STRICT;

-- One-time links. Only the hash of the token is kept.
CREATE TABLE enrolments (
    token_hash TEXT PRIMARY KEY NOT NULL,
    person TEXT NOT NULL REFERENCES persons (id),
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    totp BLOB NOT NULL
) STRICT;
CREATE INDEX enrolments_person ON enrolments (person);

CREATE TABLE worker_keys (
    id TEXT PRIMARY KEY NOT NULL,
    person TEXT NOT NULL REFERENCES persons (id),
    algorithm TEXT NOT NULL,
    key TEXT NOT NULL,
    comment TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    UNIQUE (person, key)
) STRICT;

-- Logins of browsers and API clients. Only the hash of the token is kept.
CREATE TABLE web_logins (
    id TEXT PRIMARY KEY NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    person TEXT NOT NULL REFERENCES persons (id),
    via TEXT NOT NULL,
    source TEXT NOT NULL,
    csrf TEXT NOT NULL,
    lang TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    stepped_up_until INTEGER
) STRICT;
CREATE INDEX web_logins_person ON web_logins (person);

CREATE TABLE targets (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    vendor TEXT NOT NULL REFERENCES vendors (id),
    active INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX targets_vendor ON targets (vendor);

CREATE TABLE accounts (
    id TEXT PRIMARY KEY NOT NULL,
    target TEXT NOT NULL REFERENCES targets (id),
    username TEXT NOT NULL,
    body TEXT NOT NULL,
    credential BLOB NOT NULL,
    UNIQUE (target, username)
) STRICT;

CREATE TABLE plan_numbers (
    year INTEGER PRIMARY KEY NOT NULL,
    last INTEGER NOT NULL
) STRICT;

-- `seal` binds the body to the box's key: a plan that somebody else wrote here, or changed, admits nobody. `is_open` is 1
-- while somebody still has to do something.
CREATE TABLE plans (
    id TEXT PRIMARY KEY NOT NULL,
    number TEXT NOT NULL UNIQUE,
    vendor TEXT NOT NULL REFERENCES vendors (id),
    applicant TEXT NOT NULL REFERENCES persons (id),
    state TEXT NOT NULL,
    title TEXT NOT NULL,
    from_at INTEGER NOT NULL,
    until_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    body TEXT NOT NULL,
    seal BLOB NOT NULL
) STRICT;
CREATE INDEX plans_state ON plans (state, from_at);
CREATE INDEX plans_open ON plans (is_open, until_at);
CREATE INDEX plans_vendor ON plans (vendor, created_at);

-- Who is named in a plan; one row for each worker.
CREATE TABLE plan_workers (
    plan TEXT NOT NULL REFERENCES plans (id),
    person TEXT NOT NULL REFERENCES persons (id),
    PRIMARY KEY (plan, person)
) STRICT;
CREATE INDEX plan_workers_person ON plan_workers (person);

CREATE TABLE escalations (
    plan TEXT NOT NULL REFERENCES plans (id),
    duty TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (plan, duty)
) STRICT;

CREATE TABLE attachments (
    id TEXT PRIMARY KEY NOT NULL,
    plan TEXT NOT NULL REFERENCES plans (id),
    name TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;
CREATE INDEX attachments_plan ON attachments (plan);

-- `ended_at`, `cause`, `digest` and `bytes` are NULL while the session runs. `facts` is the JSON of SessionFacts
-- without commands and files, which lie in session_events.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY NOT NULL,
    plan TEXT NOT NULL REFERENCES plans (id),
    person TEXT NOT NULL REFERENCES persons (id),
    target TEXT NOT NULL REFERENCES targets (id),
    vendor TEXT NOT NULL REFERENCES vendors (id),
    account TEXT NOT NULL,
    source TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    cause TEXT,
    header_digest TEXT NOT NULL,
    digest TEXT,
    bytes INTEGER,
    commands INTEGER NOT NULL,
    files INTEGER NOT NULL,
    facts TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_plan ON sessions (plan);
CREATE INDEX sessions_started ON sessions (started_at);
CREATE INDEX sessions_person ON sessions (person, started_at);
CREATE INDEX sessions_target ON sessions (target, started_at);
CREATE INDEX sessions_running ON sessions (plan) WHERE ended_at IS NULL;

-- Commands and files of a session in their order. `body` is JSON.
CREATE TABLE session_events (
    session TEXT NOT NULL REFERENCES sessions (id),
    n INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (session, n)
) STRICT;
