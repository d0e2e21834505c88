-- Places outside of the box to which checkpoints go: what each has, and since when it fails. Nothing here is proof; the places are.
CREATE TABLE outside_places (
    name TEXT PRIMARY KEY NOT NULL,
    entries BIGINT NOT NULL,
    sent_at BIGINT,
    failing_since BIGINT,
    told BIGINT NOT NULL,
    trouble TEXT
);
