-- Reviews of the log, and reports on months and years. Both lie whole in `body` under the seal; the columns beside it find the row.

CREATE TABLE log_reviews (
    id TEXT PRIMARY KEY NOT NULL,
    number TEXT NOT NULL UNIQUE,
    from_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA
);
CREATE INDEX log_reviews_from ON log_reviews (from_at);

CREATE TABLE period_reports (
    id TEXT PRIMARY KEY NOT NULL,
    number TEXT NOT NULL,
    edition BIGINT NOT NULL,
    from_at BIGINT NOT NULL,
    vendor TEXT,
    noted BIGINT NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA,
    UNIQUE (number, edition)
);
CREATE INDEX period_reports_from ON period_reports (from_at);
CREATE INDEX period_reports_noted ON period_reports (noted);

-- Deadlines that were told of as passed: `sign/REVIEW/DUE`, `confirm/REVIEW/DUE`, `note/REPORT`.
CREATE TABLE duties_late (
    duty TEXT PRIMARY KEY NOT NULL,
    at BIGINT NOT NULL
);
