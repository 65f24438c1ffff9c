-- Times of conversations, messages and images are Unix microseconds, as those of clocks are.

UPDATE conversations SET created_at = created_at * 1000000, updated_at = updated_at * 1000000;
UPDATE messages SET created_at = created_at * 1000000;
UPDATE images SET created_at = created_at * 1000000;
