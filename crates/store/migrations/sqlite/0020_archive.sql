-- Keys of auditors that open recordings, and where copies of recordings lie. Each row bears a seal; what of a copy has none decides
-- only when it is tried again.
CREATE TABLE auditor_keys (
    id TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL,
    seal BLOB
) STRICT;

CREATE TABLE archive_copies (
    id TEXT PRIMARY KEY NOT NULL,
    kept INTEGER NOT NULL DEFAULT 0,
    local INTEGER NOT NULL DEFAULT 1,
    ended_at INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL DEFAULT 0,
    trouble TEXT,
    back_at INTEGER,
    looked_at INTEGER NOT NULL DEFAULT 0,
    body TEXT,
    seal BLOB
) STRICT;
CREATE INDEX archive_copies_kept ON archive_copies (kept, local, ended_at);

CREATE TABLE archive_state (
    name TEXT PRIMARY KEY NOT NULL,
    failing_since INTEGER,
    code TEXT,
    why TEXT,
    told INTEGER NOT NULL DEFAULT 0,
    behind_told INTEGER NOT NULL DEFAULT 0
) STRICT;
