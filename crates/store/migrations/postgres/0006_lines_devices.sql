-- The connection register (接続台帳) and the register of devices (端末台帳). `body` is the sealed aggregate; the other
-- columns find rows.
CREATE TABLE lines (
    id TEXT PRIMARY KEY NOT NULL,
    vendor TEXT NOT NULL REFERENCES vendors (id),
    active BIGINT NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA
);
CREATE INDEX lines_vendor ON lines (vendor);

CREATE TABLE devices (
    id TEXT PRIMARY KEY NOT NULL,
    vendor TEXT NOT NULL REFERENCES vendors (id),
    active BIGINT NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA
);
CREATE INDEX devices_vendor ON devices (vendor);

-- By which line and from which device a session came.
ALTER TABLE sessions ADD COLUMN line TEXT;
ALTER TABLE sessions ADD COLUMN device TEXT;
CREATE INDEX sessions_line ON sessions (line) WHERE ended_at IS NULL;
CREATE INDEX sessions_device ON sessions (device) WHERE ended_at IS NULL;
