-- Sources of targets' logs, the cases that come of them, and the logins that may go round the gateway. Each row bears a seal.
CREATE TABLE log_sources (
    id TEXT PRIMARY KEY NOT NULL,
    active BIGINT NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA,
    last_at BIGINT,
    pause_ms BIGINT,
    lines BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE cases (
    id TEXT PRIMARY KEY NOT NULL,
    open BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    target TEXT,
    body TEXT NOT NULL,
    seal BYTEA
);
CREATE INDEX cases_open ON cases (open, last_at);

CREATE TABLE login_allows (
    id TEXT PRIMARY KEY NOT NULL,
    active BIGINT NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA
);
