-- Rows that give rights are bound to the box's key, as plans are from the beginning: their body, and the line of the log
-- that tells of their last change. Whoever is logged in logs in anew.
ALTER TABLE persons ADD COLUMN seal BLOB;
ALTER TABLE vendors ADD COLUMN seal BLOB;
ALTER TABLE targets ADD COLUMN seal BLOB;
ALTER TABLE accounts ADD COLUMN seal BLOB;
ALTER TABLE web_logins ADD COLUMN seal BLOB;
DELETE FROM web_logins;
