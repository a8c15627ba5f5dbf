CREATE TABLE IF NOT EXISTS checkpoints (
  run TEXT PRIMARY KEY, after INTEGER NOT NULL, value BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
  run TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (run TEXT PRIMARY KEY, token TEXT NOT NULL) WITHOUT ROWID;
DROP INDEX IF EXISTS runs_queued;
DROP INDEX IF EXISTS runs_waiting;
-- Blocks are added to `newest`, and move to `settled` by the thousand: in the order in which they come, those of two
-- hundred runs are on a few pages, in that of their runs each is on a page of its own. The view is for reading both, and
-- for the code of version 1, whose only table it was.
DROP TRIGGER IF EXISTS runs_erased;
ALTER TABLE blocks RENAME TO settled;
CREATE TABLE IF NOT EXISTS newest (run TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, frames BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS newest_of_run ON newest (run, last);
CREATE VIEW IF NOT EXISTS blocks AS
  SELECT run, first, last, frames FROM settled UNION ALL SELECT run, first, last, frames FROM newest;
CREATE TRIGGER IF NOT EXISTS blocks_add INSTEAD OF INSERT ON blocks BEGIN
  INSERT INTO settled (run, first, last, frames) VALUES (new.run, new.first, new.last, new.frames);
END;
CREATE TRIGGER IF NOT EXISTS blocks_drop INSTEAD OF DELETE ON blocks BEGIN
  DELETE FROM settled WHERE run = old.run AND last = old.last;
  DELETE FROM newest WHERE run = old.run AND last = old.last;
END;
CREATE TRIGGER IF NOT EXISTS runs_gone AFTER DELETE ON runs BEGIN
  DELETE FROM settled WHERE run = old.id;  -- also for the code of version 1, which knows half of these tables
  DELETE FROM newest WHERE run = old.id;
  DELETE FROM answers WHERE run = old.id;
  DELETE FROM viewers WHERE run = old.id;
  DELETE FROM checkpoints WHERE run = old.id;
  DELETE FROM files WHERE run = old.id;
  DELETE FROM claims WHERE run = old.id;
END;
-- How often a run was adopted, by code of this version.
ALTER TABLE runs ADD COLUMN adoptions INTEGER NOT NULL DEFAULT 0;
DROP TRIGGER IF EXISTS runs_queued_only_claimed;
CREATE TRIGGER IF NOT EXISTS runs_queued_stay BEFORE UPDATE OF worker ON runs
WHEN old.queued AND new.queued AND new.adoptions = old.adoptions BEGIN
  SELECT RAISE(IGNORE);  -- the code of version 1 adopts the runs of a dead worker, queued ones too, which it would end
END;
CREATE TABLE IF NOT EXISTS schema (version INTEGER NOT NULL, oldest INTEGER NOT NULL);
-- When the retention of a finished run ends; unset for one that the code of version 1 has ended.
ALTER TABLE runs ADD COLUMN expires REAL;
CREATE INDEX IF NOT EXISTS runs_expires ON runs (expires) WHERE expires IS NOT NULL;
-- The last event when the run was adopted.
ALTER TABLE runs ADD COLUMN adopted INTEGER;
-- The input as the snapshot shows it.
ALTER TABLE runs ADD COLUMN shown BLOB;
-- What a row of a file says; its bytes lie elsewhere, and `handed_over` (microseconds) has the order of a run's files.
ALTER TABLE files ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN handed_over INTEGER NOT NULL DEFAULT 0;
-- The name of the store, where files of several stores lie in one place.
CREATE TABLE IF NOT EXISTS part (name TEXT NOT NULL);
INSERT INTO part SELECT lower(hex(randomblob(8))) WHERE NOT EXISTS (SELECT 1 FROM part);
-- The bytes that all runs take. Triggers count them, and so what the code of version 1 writes, too.
CREATE TABLE IF NOT EXISTS room (bytes INTEGER NOT NULL);
INSERT INTO room SELECT
  (SELECT total(2048 + size + ifnull(length(input), 0) + ifnull(length(result), 0)) FROM runs)
  + (SELECT total(length(body)) FROM answers) + (SELECT total(length(value)) FROM checkpoints)
  + (SELECT total(size) FROM files)
  WHERE NOT EXISTS (SELECT 1 FROM room);
CREATE TRIGGER IF NOT EXISTS room_run AFTER INSERT ON runs BEGIN
  UPDATE room SET bytes = bytes + 2048 + new.size + ifnull(length(new.input), 0) + ifnull(length(new.shown), 0);
END;
CREATE TRIGGER IF NOT EXISTS room_run_grown AFTER UPDATE OF size, result ON runs BEGIN
  UPDATE room SET bytes = bytes + new.size + ifnull(length(new.result), 0) - old.size - ifnull(length(old.result), 0);
END;
CREATE TRIGGER IF NOT EXISTS room_run_gone AFTER DELETE ON runs BEGIN
  UPDATE room SET bytes = bytes - 2048 - old.size - ifnull(length(old.input), 0) - ifnull(length(old.shown), 0)
    - ifnull(length(old.result), 0);
END;
CREATE TRIGGER IF NOT EXISTS room_answer AFTER INSERT ON answers BEGIN
  UPDATE room SET bytes = bytes + length(new.body);
END;
CREATE TRIGGER IF NOT EXISTS room_answer_gone AFTER DELETE ON answers BEGIN
  UPDATE room SET bytes = bytes - length(old.body);
END;
CREATE TRIGGER IF NOT EXISTS room_checkpoint AFTER INSERT ON checkpoints BEGIN
  UPDATE room SET bytes = bytes + length(new.value);
END;
CREATE TRIGGER IF NOT EXISTS room_checkpoint_grown AFTER UPDATE OF value ON checkpoints BEGIN
  UPDATE room SET bytes = bytes + length(new.value) - length(old.value);
END;
CREATE TRIGGER IF NOT EXISTS room_checkpoint_gone AFTER DELETE ON checkpoints BEGIN
  UPDATE room SET bytes = bytes - length(old.value);
END;
CREATE TRIGGER IF NOT EXISTS room_file_added AFTER INSERT ON files BEGIN
  UPDATE room SET bytes = bytes + new.size;
END;
CREATE TRIGGER IF NOT EXISTS room_file_replaced AFTER UPDATE OF size ON files BEGIN
  UPDATE room SET bytes = bytes + new.size - old.size;
END;
CREATE TRIGGER IF NOT EXISTS room_file_dropped AFTER DELETE ON files BEGIN
  UPDATE room SET bytes = bytes - old.size;
END;
-- The list that a run is in: queued, live, or how it has ended. A trigger keeps it, also for what the code of version 1
-- writes; `ending` itself is set with every batch of events, which would write its indexes each time.
ALTER TABLE runs ADD COLUMN list TEXT NOT NULL DEFAULT 'live';
UPDATE runs SET list = ifnull(ending, 'queued') WHERE (ending IS NOT NULL OR queued AND cancel IS NULL)
  AND NOT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'runs_of_list');
CREATE INDEX IF NOT EXISTS runs_of_operation ON runs (owner, operation, number);
CREATE INDEX IF NOT EXISTS runs_of_list ON runs (owner, list, number);
CREATE INDEX IF NOT EXISTS runs_of_operation_and_list ON runs (owner, operation, list, number);
CREATE TRIGGER IF NOT EXISTS runs_listed AFTER UPDATE OF ending, queued, cancel ON runs
WHEN new.list <> ifnull(new.ending, iif(new.queued AND new.cancel IS NULL, 'queued', 'live')) BEGIN
  UPDATE runs SET list = ifnull(new.ending, iif(new.queued AND new.cancel IS NULL, 'queued', 'live'))
    WHERE number = new.number;
END;
-- What calls of language models have taken.
ALTER TABLE runs ADD COLUMN usage BLOB;
-- The last event when a worker claimed the run from the queue: its work has begun once there is a later one.
ALTER TABLE runs ADD COLUMN claimed INTEGER;
-- Whether only the worker that has the run can begin it: others have not its input, or not its files yet.
ALTER TABLE runs ADD COLUMN bound INTEGER NOT NULL DEFAULT 0;
-- Whether a claim is of a run that was the worker's already.
ALTER TABLE claims ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
-- The transaction in which a run was last queued, claimed or ended, so that others may begin, and how many have begun.
CREATE TABLE IF NOT EXISTS queue (changed INTEGER NOT NULL, served INTEGER NOT NULL);
INSERT INTO queue SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM queue);
-- When a run of an operation and a client began last, by that counter.
CREATE TABLE IF NOT EXISTS lines (
  operation TEXT NOT NULL, client TEXT NOT NULL, served INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (operation, client)
) WITHOUT ROWID;
INSERT OR IGNORE INTO lines (operation, client) SELECT operation, client FROM runs WHERE list = 'queued';
CREATE INDEX IF NOT EXISTS runs_at_work ON runs (operation, client) WHERE list = 'live';
CREATE INDEX IF NOT EXISTS runs_in_line ON runs (operation, client, number) WHERE list = 'queued';
-- About how long a run of an operation takes, in seconds.
CREATE TABLE IF NOT EXISTS durations (operation TEXT PRIMARY KEY, seconds REAL NOT NULL) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS queue_longer AFTER INSERT ON runs WHEN new.list = 'queued' BEGIN
  UPDATE queue SET changed = (SELECT number FROM turn);
END;
CREATE TRIGGER IF NOT EXISTS queue_changed AFTER UPDATE OF list ON runs WHEN new.list <> old.list BEGIN
  UPDATE queue SET changed = (SELECT number FROM turn);
END;
