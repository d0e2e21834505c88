-- Alarms (警報), derived from the log. `next` is the number of the first entry that was not looked at; `since` is the moment from
-- which entries raise alarms, older ones only teach what is usual.
CREATE TABLE alarm_cursor (
    one INTEGER PRIMARY KEY NOT NULL,
    next INTEGER NOT NULL,
    since INTEGER NOT NULL
) STRICT;

-- An alarm stands for `count` entries of one group. `what` and `subject` are JSON, of the last of them. `level` is 0 to 2.
CREATE TABLE alarms (
    id TEXT PRIMARY KEY NOT NULL,
    rule TEXT NOT NULL,
    level INTEGER NOT NULL,
    grp TEXT NOT NULL,
    state TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    escalate_at INTEGER,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,
    closed_at INTEGER,
    closed_by TEXT,
    note TEXT
) STRICT;
CREATE INDEX alarms_state ON alarms (state, opened_at);
CREATE INDEX alarms_group ON alarms (grp, opened_at);
CREATE INDEX alarms_rule ON alarms (rule, opened_at);

-- The entries of the log that an alarm stands for, the first of them.
CREATE TABLE alarm_entries (
    alarm TEXT NOT NULL REFERENCES alarms (id),
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    what TEXT NOT NULL,
    PRIMARY KEY (alarm, seq)
) STRICT;

-- What went over in each session that ended, for what is usual.
CREATE TABLE alarm_volumes (
    session TEXT PRIMARY KEY NOT NULL,
    person TEXT NOT NULL,
    target TEXT NOT NULL,
    at INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX alarm_volumes_person ON alarm_volumes (person, at);
CREATE INDEX alarm_volumes_target ON alarm_volumes (target, at);

-- Stages of time that were told: a contract that ends in 30 days is told once.
CREATE TABLE alarm_stages (
    stage TEXT PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL
) STRICT;

-- What waits for a receiver of alarms. It goes in this order, and leaves with the receiver's yes.
CREATE TABLE alarm_queue (
    receiver TEXT NOT NULL,
    n INTEGER NOT NULL,
    alarm TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (receiver, n)
) STRICT;

-- How a receiver stands: the number of its next piece, that of the first entry of the log that it has not taken, and since when
-- it takes nothing.
CREATE TABLE receivers (
    name TEXT PRIMARY KEY NOT NULL,
    next_n INTEGER NOT NULL,
    next_seq INTEGER NOT NULL,
    down_since INTEGER,
    told_down INTEGER NOT NULL,
    trouble TEXT
) STRICT;
