-- What the box saw of its own exposure, sealed; and the services of the machine beside Sekisho that a person confirmed.
CREATE TABLE exposure_looks (
    at BIGINT PRIMARY KEY NOT NULL,
    body BYTEA NOT NULL
);

CREATE TABLE exposure_services (
    id TEXT PRIMARY KEY NOT NULL,
    active BIGINT NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA
);
