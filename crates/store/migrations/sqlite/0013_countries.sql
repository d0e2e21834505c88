-- 国の表: which country addresses were given to. One row; what it says of itself is sealed as rows are, the table itself as a secret is.
CREATE TABLE country_tables (
    id TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL,
    seal BLOB,
    data BLOB NOT NULL
) STRICT;
