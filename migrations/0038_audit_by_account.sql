-- Which account's an entry is, to find all that concerns one, also what has gone. It is no part of the leaf, and vouched for by
-- nothing. NULL: no single account's, or of before this was kept.
ALTER TABLE audit ADD COLUMN account_id BLOB;
