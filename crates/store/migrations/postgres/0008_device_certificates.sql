-- Client certificates of devices, and the one-time codes by which devices come by them. `body` is the sealed aggregate; the
-- other columns find rows.
CREATE TABLE device_certificates (
    id TEXT PRIMARY KEY NOT NULL,
    device TEXT NOT NULL REFERENCES devices (id),
    serial TEXT NOT NULL UNIQUE,
    issued_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA
);
CREATE INDEX device_certificates_device ON device_certificates (device);
CREATE INDEX device_certificates_ends ON device_certificates (ends_at);

CREATE TABLE device_codes (
    id TEXT PRIMARY KEY NOT NULL,
    device TEXT NOT NULL REFERENCES devices (id),
    selector TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    seal BYTEA
);
CREATE INDEX device_codes_selector ON device_codes (selector, made_at);
CREATE INDEX device_codes_device ON device_codes (device, made_at);

-- The device by whose certificate the login came through the outer door; it holds from that device only. NULL for a login at
-- another listener. The login's own seal binds it.
ALTER TABLE web_logins ADD COLUMN device TEXT;
