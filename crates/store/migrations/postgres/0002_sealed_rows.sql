-- Rows that give rights are bound to the box's key, as plans are from the beginning: their body, and the line of the log
-- that tells of their last change. Whoever is logged in logs in anew.
ALTER TABLE persons ADD COLUMN seal BYTEA;
ALTER TABLE vendors ADD COLUMN seal BYTEA;
ALTER TABLE targets ADD COLUMN seal BYTEA;
ALTER TABLE accounts ADD COLUMN seal BYTEA;
ALTER TABLE web_logins ADD COLUMN seal BYTEA;
DELETE FROM web_logins;
