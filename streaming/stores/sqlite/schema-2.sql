CREATE TABLE IF NOT EXISTS checkpoints (
  run TEXT PRIMARY KEY, after INTEGER NOT NULL, value BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
  run TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (run TEXT PRIMARY KEY, token TEXT NOT NULL) WITHOUT ROWID;
DROP INDEX IF EXISTS runs_queued;
CREATE INDEX runs_queued ON runs (number) WHERE queued AND ending IS NULL;
CREATE TRIGGER IF NOT EXISTS runs_erased AFTER DELETE ON runs BEGIN
  DELETE FROM blocks WHERE run = old.id;  -- also for the code of version 1, which knows half of these tables
  DELETE FROM answers WHERE run = old.id;
  DELETE FROM viewers WHERE run = old.id;
  DELETE FROM checkpoints WHERE run = old.id;
  DELETE FROM files WHERE run = old.id;
  DELETE FROM claims WHERE run = old.id;
END;
CREATE TABLE IF NOT EXISTS schema (version INTEGER NOT NULL, oldest INTEGER NOT NULL);
