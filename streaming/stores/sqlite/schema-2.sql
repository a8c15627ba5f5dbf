ALTER TABLE runs ADD COLUMN checkpoint BLOB;
ALTER TABLE runs ADD COLUMN checkpoint_after INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_queued ON runs (number) WHERE queued AND worker = '' AND ending IS NULL;
CREATE TABLE files (
  run TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (run, name)
) WITHOUT ROWID;
