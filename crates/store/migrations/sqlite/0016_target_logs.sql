-- Sources of targets' logs, the cases that come of them, and the logins that may go round the gateway. Each row bears a seal.
CREATE TABLE log_sources (
    id TEXT PRIMARY KEY NOT NULL,
    active INTEGER NOT NULL,
    body TEXT NOT NULL,
    seal BLOB,
    last_at INTEGER,
    pause_ms INTEGER,
    lines INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE cases (
    id TEXT PRIMARY KEY NOT NULL,
    open INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    target TEXT,
    body TEXT NOT NULL,
    seal BLOB
) STRICT;
CREATE INDEX cases_open ON cases (open, last_at);

CREATE TABLE login_allows (
    id TEXT PRIMARY KEY NOT NULL,
    active INTEGER NOT NULL,
    body TEXT NOT NULL,
    seal BLOB
) STRICT;
