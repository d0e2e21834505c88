-- Logins by SSH certificate. `body` is the sealed aggregate; the other columns find rows. `serial` is the number of the
-- log's entry that tells of the certificate.
CREATE TABLE ssh_logins (
    id TEXT PRIMARY KEY NOT NULL,
    person TEXT NOT NULL REFERENCES persons (id),
    serial BIGINT NOT NULL UNIQUE,
    ends_at BIGINT NOT NULL,
    is_open BIGINT NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA
);
CREATE INDEX ssh_logins_person ON ssh_logins (person, is_open);
CREATE INDEX ssh_logins_ends ON ssh_logins (ends_at);

-- The login by certificate that let a session in; NULL for one that came by password, key or key window.
ALTER TABLE sessions ADD COLUMN ssh_login TEXT;
CREATE INDEX sessions_ssh_login ON sessions (ssh_login);
