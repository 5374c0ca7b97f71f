-- Where whoever made an account wanted it, for when it is placed anew: NULL and [] are anywhere.
ALTER TABLE accounts ADD COLUMN wished_pool TEXT;
ALTER TABLE accounts ADD COLUMN wished_labels TEXT NOT NULL DEFAULT '[]';
ALTER TABLE accounts ADD COLUMN wished_availability_zone TEXT;
