-- What is looked for by name, however many there are.

-- Also of accounts that are going, and whose name others have.
CREATE INDEX accounts_by_any_username ON accounts (username);
-- The one object that has this very name: beneath it there may be a million.
CREATE INDEX name_index_own ON name_index (at, account_id) WHERE own = 1;
