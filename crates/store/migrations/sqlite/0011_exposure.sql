-- What the box saw of its own exposure, sealed; and the services of the machine beside Sekisho that a person confirmed.
CREATE TABLE exposure_looks (
    at INTEGER PRIMARY KEY NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE exposure_services (
    id TEXT PRIMARY KEY NOT NULL,
    active INTEGER NOT NULL,
    body TEXT NOT NULL,
    seal BLOB
) STRICT;
