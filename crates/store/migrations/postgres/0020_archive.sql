-- Keys of auditors that open recordings, and where copies of recordings lie. Each row bears a seal; what of a copy has none decides
-- only when it is tried again.
CREATE TABLE auditor_keys (
    id TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA
);

CREATE TABLE archive_copies (
    id TEXT PRIMARY KEY NOT NULL,
    kept BIGINT NOT NULL DEFAULT 0,
    local BIGINT NOT NULL DEFAULT 1,
    ended_at BIGINT NOT NULL,
    tries BIGINT NOT NULL DEFAULT 0,
    next_at BIGINT NOT NULL DEFAULT 0,
    trouble TEXT,
    back_at BIGINT,
    looked_at BIGINT NOT NULL DEFAULT 0,
    body TEXT,
    seal BYTEA
);
CREATE INDEX archive_copies_kept ON archive_copies (kept, local, ended_at);

CREATE TABLE archive_state (
    name TEXT PRIMARY KEY NOT NULL,
    failing_since BIGINT,
    code TEXT,
    why TEXT,
    told BIGINT NOT NULL DEFAULT 0,
    behind_told BIGINT NOT NULL DEFAULT 0
);
