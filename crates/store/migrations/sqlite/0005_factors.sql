-- Passkeys and security keys. `credential` is the SHA-256 of the credential's id; key, counter and what else the
-- authenticator said lie sealed in `body`, bound to the row, its person and its credential.
CREATE TABLE passkeys (
    id TEXT PRIMARY KEY NOT NULL,
    person TEXT NOT NULL REFERENCES persons (id),
    credential TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    used_at INTEGER,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX passkeys_person ON passkeys (person);

-- The recovery codes of a person: salted hashes and which of them were used, sealed together.
CREATE TABLE recovery_codes (
    person TEXT PRIMARY KEY NOT NULL REFERENCES persons (id),
    made_at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

-- 本人確認台帳. The proof is sealed; the row is bound to the key by `seal`, and its digest stands in the log.
CREATE TABLE identity_checks (
    id TEXT PRIMARY KEY NOT NULL,
    person TEXT NOT NULL REFERENCES persons (id),
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    seal BLOB NOT NULL,
    proof BLOB
) STRICT;
CREATE INDEX identity_checks_at ON identity_checks (at);

-- What happened to a person's factors, until they have seen it. `seq` is the number of the entry in the log.
CREATE TABLE factor_notices (
    person TEXT NOT NULL REFERENCES persons (id),
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL,
    seen_at INTEGER,
    PRIMARY KEY (person, seq)
) STRICT;

-- By which factors a login was proved. Part of what its seal binds: a login from before this column ends.
ALTER TABLE web_logins ADD COLUMN proof TEXT NOT NULL DEFAULT '';

-- A link after a reset opens with a code told by another way. `handover` is the code, sealed; `opened` binds the link
-- to the browser that gave it.
ALTER TABLE enrolments ADD COLUMN handover BLOB;
ALTER TABLE enrolments ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE enrolments ADD COLUMN opened BLOB;
