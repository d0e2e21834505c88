-- Files of targets' logs that were read in: what the log tells of each, sealed, and which records were seen, so that none counts twice.
CREATE TABLE log_imports (
    id TEXT PRIMARY KEY NOT NULL,
    target TEXT NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    seal BLOB
) STRICT;
CREATE INDEX log_imports_target ON log_imports (target, at);

-- The digest is keyed, so that nobody who has the database alone can mark a record as seen.
CREATE TABLE log_import_records (
    target TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (target, digest)
) STRICT;

-- How often an allowed login was used, for whoever reviews it.
ALTER TABLE login_allows ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
ALTER TABLE login_allows ADD COLUMN used_at INTEGER;
