-- A node that is gone for good, while what it carried is settled a batch at a time: the operation of its deletion. The row
-- goes with the last batch.
ALTER TABLE nodes ADD COLUMN written_off_by BLOB;
CREATE INDEX nodes_written_off ON nodes (written_off_by) WHERE written_off_by IS NOT NULL;
