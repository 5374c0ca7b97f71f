-- Whose place the controller takes that uses the token, and whose place a controller takes, as long as that one is there; 0: nobody's.
ALTER TABLE tokens ADD COLUMN replaces_controller_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE controllers ADD COLUMN replaces_controller_id INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tokens_replacing ON tokens (replaces_controller_id) WHERE replaces_controller_id > 0;
