-- Up to which feature level the cluster goes; NULL: as far as every controller can. The level that it is at has been in
-- cluster.feature_level from the start: what it was made at, until levels were agreed on.
ALTER TABLE cluster ADD COLUMN feature_level_limit INTEGER;
