-- Until when the data of what is deleted is kept, by what its nodes were told; they count from when they put it aside. NULL: it is
-- not deleted, or was before this was kept.
ALTER TABLE accounts ADD COLUMN retained_until_millis INTEGER;
ALTER TABLE databases ADD COLUMN retained_until_millis INTEGER;
