-- Passkeys and security keys. `credential` is the SHA-256 of the credential's id; key, counter and what else the
-- authenticator said lie sealed in `body`, bound to the row, its person and its credential.
CREATE TABLE passkeys (
    id TEXT PRIMARY KEY NOT NULL,
    person TEXT NOT NULL REFERENCES persons (id),
    credential TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    used_at BIGINT,
    body BYTEA NOT NULL
);
CREATE INDEX passkeys_person ON passkeys (person);

-- The recovery codes of a person: salted hashes and which of them were used, sealed together.
CREATE TABLE recovery_codes (
    person TEXT PRIMARY KEY NOT NULL REFERENCES persons (id),
    made_at BIGINT NOT NULL,
    body BYTEA NOT NULL
);

-- 本人確認台帳. The proof is sealed; the row is bound to the key by `seal`, and its digest stands in the log.
CREATE TABLE identity_checks (
    id TEXT PRIMARY KEY NOT NULL,
    person TEXT NOT NULL REFERENCES persons (id),
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA NOT NULL,
    proof BYTEA
);
CREATE INDEX identity_checks_at ON identity_checks (at);

-- What happened to a person's factors, until they have seen it. `seq` is the number of the entry in the log.
CREATE TABLE factor_notices (
    person TEXT NOT NULL REFERENCES persons (id),
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL,
    seen_at BIGINT,
    PRIMARY KEY (person, seq)
);

-- By which factors a login was proved. Part of what its seal binds: a login from before this column ends.
ALTER TABLE web_logins ADD COLUMN proof TEXT NOT NULL DEFAULT '';

-- A link after a reset opens with a code told by another way. `handover` is the code, sealed; `opened` binds the link
-- to the browser that gave it.
ALTER TABLE enrolments ADD COLUMN handover BYTEA;
ALTER TABLE enrolments ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE enrolments ADD COLUMN opened BYTEA;
