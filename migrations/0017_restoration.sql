-- Backups of the state, and what is left of it being restored.

-- The public half of the key that the secrets in backups are sealed to; empty: none was given.
ALTER TABLE cluster ADD COLUMN recovery_key BLOB NOT NULL DEFAULT x'';
-- Controllers get ids from here on: those that an older state does not know of have lower ones.
ALTER TABLE cluster ADD COLUMN controllers_from INTEGER NOT NULL DEFAULT 0;
-- When the state was last restored, and where in the log; 0: never. The log before that ended at restored_from, and what it
-- held after that is lost.
ALTER TABLE cluster ADD COLUMN restored_millis INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cluster ADD COLUMN restored_index INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cluster ADD COLUMN restored_from INTEGER NOT NULL DEFAULT 0;
