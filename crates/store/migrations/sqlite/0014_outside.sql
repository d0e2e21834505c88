-- Places outside of the box to which checkpoints go: what each has, and since when it fails. Nothing here is proof; the places are.
CREATE TABLE outside_places (
    name TEXT PRIMARY KEY NOT NULL,
    entries INTEGER NOT NULL,
    sent_at INTEGER,
    failing_since INTEGER,
    told INTEGER NOT NULL,
    trouble TEXT
) STRICT;
