-- How the Runner API answers an account that was created with a profile of its own: 'documents' or
-- 'current'.

ALTER TABLE accounts ADD COLUMN profile TEXT;
