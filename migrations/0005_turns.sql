-- Turns are numbered. A turn begins with a user's message and holds everything up to the next one: its
-- answer, and images that are made after it. What stands before the first turn (messages that a
-- conversation begins with, images) belongs to turn 0.

ALTER TABLE messages ADD COLUMN turn BIGINT NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN turn_count BIGINT NOT NULL DEFAULT 0;  -- the latest turn's number

-- Until now nobody told the messages that a conversation began with from those that were sent later:
-- every user's message counts as the beginning of a turn.
UPDATE messages SET turn = numbered.turn
FROM (
    SELECT account, conversation, position,
           SUM(CASE WHEN role = 'user' THEN 1 ELSE 0 END)
               OVER (PARTITION BY account, conversation ORDER BY position) AS turn
    FROM messages
) numbered
WHERE messages.account = numbered.account AND messages.conversation = numbered.conversation
  AND messages.position = numbered.position;

UPDATE conversations SET turn_count = latest.turn
FROM (
    SELECT account, conversation, MAX(turn) AS turn FROM messages GROUP BY account, conversation
) latest
WHERE conversations.account = latest.account AND conversations.ordinal = latest.conversation;

-- Where a turn begins. One entry a turn: all its messages are found from there on by their position.
CREATE INDEX messages_that_begin_turns ON messages (account, conversation, turn, position)
    WHERE role = 'user';
