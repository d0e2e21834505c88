-- Uploads that waited for a person of the hospital, and what was decided. The content is in the session's recording. The
-- columns of a decision are NULL while one waits; a start closes those that a crash left so.
CREATE TABLE held_files (
    session TEXT NOT NULL REFERENCES sessions (id),
    hold BIGINT NOT NULL,
    path TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    listed BIGINT NOT NULL,
    at BIGINT NOT NULL,
    decided_at BIGINT,
    passed BIGINT,
    how TEXT,
    decided_by TEXT,
    reason TEXT,
    PRIMARY KEY (session, hold)
);
CREATE INDEX held_files_open ON held_files (decided_at);
