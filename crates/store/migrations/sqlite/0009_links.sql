-- Links of persons to directories and sign-in providers. `body` is the sealed aggregate; the other columns find rows. A person
-- has one link at most, and an account elsewhere belongs to one person at most.
CREATE TABLE links (
    id TEXT PRIMARY KEY NOT NULL,
    person TEXT NOT NULL UNIQUE REFERENCES persons (id),
    source TEXT NOT NULL,
    known_as TEXT NOT NULL,
    subject TEXT,
    body TEXT NOT NULL,
    seal BLOB
) STRICT;
CREATE UNIQUE INDEX links_known_as ON links (source, known_as);
CREATE UNIQUE INDEX links_subject ON links (source, subject);

-- The directory or provider that proved a login's first factor. The login's own seal binds it.
ALTER TABLE web_logins ADD COLUMN through TEXT;
