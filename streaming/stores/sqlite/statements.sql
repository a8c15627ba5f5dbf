-- Every statement of the driver, each after its name. `{name}` is the statement of that name, in parentheses.
--
-- The table `turn` counts the transactions; `runs.appended` and `runs.asked` hold the number of the one that last
-- changed the events of a run, or the requests to its producer.
-- Triggers of the schema count the bytes of all runs in the table `room`. `REPLACE` would pass them by.
-- Leases are in the machine's monotonic time. One that expires more than 60 seconds from now was written before the
-- machine was restarted.

-- name: alive
SELECT id FROM workers WHERE expires BETWEEN :now AND :now + 60 AND id <> 'queue'

-- name: transaction
SELECT number FROM turn

-- name: next_transaction
UPDATE turn SET number = number + 1

-- name: viewers
SELECT total(count) FROM viewers WHERE viewers.run = runs.id AND viewers.worker IN {alive}

-- name: create
INSERT INTO runs (
  id, operation, owner, client, created, updated, linger, key, digest, input, shown, worker, queued,
  epoch, attempt, cancel, watched, list, bound
) VALUES (
  :id, :operation, :owner, :client, :created, :created, :linger, :key, :digest, :input, :shown, :worker, :queued,
  :epoch, :attempt, :cancel, :watched, iif(:queued, 'queued', 'live'), :bound
)

-- name: find_by_key
SELECT * FROM runs WHERE owner = :owner AND key = :key

-- name: live
SELECT count(*) FROM runs WHERE client = :client AND ending IS NULL

-- name: find
SELECT *, {viewers} AS viewers FROM runs WHERE id = :run

-- name: number
SELECT number FROM runs WHERE id = :before AND owner = :owner

-- name: page
SELECT *, {viewers} AS viewers FROM runs WHERE owner = :owner AND number < :number
  ORDER BY number DESC LIMIT :limit

-- name: page_of_operation
SELECT *, {viewers} AS viewers FROM runs WHERE owner = :owner AND operation = :operation AND number < :number
  ORDER BY number DESC LIMIT :limit

-- name: page_of_list
SELECT *, {viewers} AS viewers FROM runs WHERE owner = :owner AND list = :list AND number < :number
  ORDER BY number DESC LIMIT :limit

-- name: page_of_operation_and_list
SELECT *, {viewers} AS viewers FROM runs WHERE owner = :owner AND operation = :operation AND list = :list
  AND number < :number ORDER BY number DESC LIMIT :limit

-- name: open_queue
INSERT OR REPLACE INTO workers (id, expires) VALUES ('queue', :now + 60)

-- name: renew_queue
UPDATE workers SET expires = :now + 60 WHERE id = 'queue'

-- name: fold
UPDATE runs SET state = :state, ending = :ending, last = :last_event_id, updated = :updated, progress = :progress,
  result = :result, error = :error, question = :question, usage = :usage, size = size + :size, ended = :ended, expires = :expires,
  appended = {transaction}
  WHERE id = :run AND worker = :worker AND epoch = :epoch AND ending IS NULL
  AND (last >= :first - 1 OR :gap IS NOT NULL)

-- What most batches change: no index and no trigger looks at it but those of `appended` and `size`. By position, which
-- takes half as long.
-- name: grow
UPDATE runs SET state = ?, last = ?, updated = ?, progress = ?, question = ?, usage = ?, size = size + ?,
  appended = {transaction}
  WHERE id = ? AND worker = ? AND epoch = ? AND ending IS NULL AND result IS NULL AND error IS NULL AND last >= ?
  AND size <= ?

-- name: producer
SELECT worker, epoch, ending, last FROM runs WHERE id = :run

-- name: drop_checkpoint
DELETE FROM checkpoints WHERE run = :run

-- name: add_block
INSERT INTO newest (run, first, last, frames) VALUES (?, ?, ?, ?)

-- name: size
SELECT size FROM runs WHERE id = :run

-- name: add_settled
INSERT INTO settled (run, first, last, frames) VALUES (?, ?, ?, ?)

-- name: settle
INSERT OR IGNORE INTO settled (run, first, last, frames) VALUES (?, ?, ?, ?)

-- name: newest
SELECT run, first, last, frames FROM newest ORDER BY run, last

-- name: drop_newest
DELETE FROM newest

-- name: block_sizes
SELECT last, length(frames) AS size FROM blocks WHERE run = :run ORDER BY last

-- name: drop_settled_blocks
DELETE FROM settled WHERE run = :run AND last < :oldest

-- name: drop_newest_blocks
DELETE FROM newest WHERE run = :run AND last < :oldest

-- name: trimmed
UPDATE runs SET size = :size, oldest = :oldest WHERE id = :run

-- name: bounds
SELECT oldest, last, ending FROM runs WHERE id = :run

-- name: blocks
SELECT first, last, frames FROM blocks WHERE run = :run AND last > :after ORDER BY last

-- name: state
SELECT worker, epoch, cancel, watched, ending, adopted,
  (SELECT total(count) FROM viewers WHERE viewers.run = runs.id AND viewers.worker = :worker) AS here,
  (SELECT total(count) FROM viewers WHERE viewers.run = runs.id AND viewers.worker <> :worker) AS known,
  (SELECT total(count) FROM viewers WHERE viewers.run = runs.id AND viewers.worker <> :worker
    AND viewers.worker IN {alive}) AS living
  FROM runs WHERE id = :run

-- name: answers
SELECT question, body FROM answers WHERE run = :run

-- name: changed
SELECT id FROM runs WHERE appended > :since AND worker <> :worker UNION SELECT id FROM runs WHERE asked > :since

-- name: cancel
UPDATE runs SET cancel = :reason, asked = {transaction} WHERE id = :run AND cancel IS NULL AND ending IS NULL

-- name: viewers_elsewhere
SELECT 1 FROM viewers WHERE run = :run AND worker <> :worker AND (NOT :reliable OR worker IN {alive})

-- name: answer
INSERT OR IGNORE INTO answers (run, question, body)
  SELECT id, :question, :body FROM runs WHERE id = :run AND ending IS NULL

-- name: asked
UPDATE runs SET asked = {transaction} WHERE id = :run

-- name: watched
UPDATE runs SET watched = 1, asked = {transaction} WHERE id = :run

-- name: count
INSERT OR REPLACE INTO viewers (run, worker, count) VALUES (:run, :worker, :count)

-- name: live_on
INSERT INTO workers (id, expires) VALUES (:worker, :now + :lease)
  ON CONFLICT (id) DO UPDATE SET expires = excluded.expires WHERE workers.expires < :now

-- name: no_viewers
DELETE FROM viewers WHERE run = :run AND worker = :worker

-- name: queued
SELECT * FROM runs WHERE id = :run AND queued AND ending IS NULL

-- name: at_work
SELECT count(*) FROM runs WHERE list = 'live' AND operation = :operation AND NOT queued

-- name: at_work_of_client
SELECT count(*) FROM runs WHERE list = 'live' AND operation = :operation AND client = :client AND NOT queued

-- name: lines
SELECT operation, client, served, first FROM (
  SELECT operation, client, served, (
    SELECT number FROM runs WHERE runs.list = 'queued' AND runs.operation = lines.operation AND runs.client = lines.client
      ORDER BY number LIMIT 1
  ) AS first FROM lines WHERE operation IN (SELECT value FROM json_each(:operations))
) WHERE first IS NOT NULL

-- name: line
SELECT * FROM runs WHERE list = 'queued' AND operation = :operation AND client = :client
  AND (:worker IS NULL OR worker = :worker OR NOT bound) ORDER BY number

-- name: clients
SELECT lines.client, count(*) AS count FROM lines JOIN runs
  ON runs.list = 'queued' AND runs.operation = lines.operation AND runs.client = lines.client
  WHERE lines.operation = :operation GROUP BY lines.client ORDER BY min(served), min(number)

-- name: positions
SELECT id, client, (
  SELECT count(*) FROM runs AS other WHERE other.list = 'queued' AND other.operation = runs.operation
    AND other.client = runs.client AND other.number < runs.number
) AS before FROM runs WHERE id IN (SELECT value FROM json_each(:runs)) AND list = 'queued' AND operation = :operation

-- name: add_line
INSERT OR IGNORE INTO lines (operation, client) VALUES (:operation, :client)

-- name: queue_changed
UPDATE queue SET changed = {transaction}

-- name: add_line_of
INSERT OR IGNORE INTO lines (operation, client) SELECT operation, client FROM runs WHERE id = :run

-- name: count_served
UPDATE queue SET served = served + 1

-- name: serve
INSERT INTO lines (operation, client, served) VALUES (:operation, :client, (SELECT served FROM queue))
  ON CONFLICT (operation, client) DO UPDATE SET served = excluded.served

-- name: forget_lines
DELETE FROM lines WHERE NOT EXISTS (
  SELECT 1 FROM runs WHERE list = 'queued' AND operation = lines.operation AND client = lines.client
) AND NOT EXISTS (SELECT 1 FROM runs WHERE list = 'live' AND operation = lines.operation AND client = lines.client)

-- name: duration
SELECT seconds FROM durations WHERE operation = :operation

-- name: measure
INSERT INTO durations (operation, seconds) VALUES (:operation, :seconds)
  ON CONFLICT (operation) DO UPDATE SET seconds = seconds + (excluded.seconds - seconds) * :weight

-- name: has_queue
SELECT EXISTS (SELECT 1 FROM runs WHERE list = 'queued')

-- name: claim
UPDATE runs SET epoch = epoch + (worker <> :worker), worker = :worker, queued = 0, claimed = last,
  appended = {transaction} WHERE id = :run

-- name: name_claim
INSERT OR REPLACE INTO claims (run, token, kept) SELECT id, :token, worker = :worker FROM runs WHERE id = :run

-- name: share
UPDATE runs SET bound = 0 WHERE id = :run AND worker = :worker

-- name: unclaim
UPDATE runs SET queued = 1, worker = iif((SELECT kept FROM claims WHERE run = runs.id), worker, 'queue')
  WHERE worker = :worker AND ending IS NULL AND id IN (SELECT run FROM claims WHERE token = :token)

-- name: requeue
UPDATE runs SET worker = 'queue', queued = 1, bound = 0, attempt = :attempt, adoptions = adoptions + 1, appended = {transaction}
  WHERE id = :run AND worker = :worker AND ending IS NULL

-- name: orphans
SELECT id, worker FROM runs WHERE ending IS NULL AND worker <> :worker AND (worker <> 'queue' OR cancel IS NOT NULL)
  AND worker NOT IN {alive} LIMIT 100

-- name: orphan
SELECT * FROM runs WHERE id = :run AND ending IS NULL AND worker = :dead AND worker <> :worker AND worker NOT IN {alive}

-- name: adopt
UPDATE runs SET worker = :worker, epoch = epoch + 1, attempt = attempt + NOT queued, adoptions = adoptions + 1,
  adopted = last, appended = {transaction}
  WHERE id = :run

-- name: disown
UPDATE runs SET worker = '', adoptions = adoptions + 1 WHERE id = :run AND worker = :worker AND ending IS NULL

-- name: keep
INSERT INTO checkpoints (run, after, value)
  SELECT id, :after, :value FROM runs WHERE id = :run AND worker = :worker AND epoch = :epoch AND ending IS NULL
  AND last >= :after
  ON CONFLICT (run) DO UPDATE SET after = excluded.after, value = excluded.value

-- name: checkpoint
SELECT after, value FROM checkpoints WHERE run = :run

-- name: put_file
INSERT INTO files (run, name, type, body, size, sha256, handed_over)
  SELECT id, :name, :type, :body, :size, :sha256, :now FROM runs
  WHERE id = :run AND worker = :worker AND epoch = :epoch AND ending IS NULL
  ON CONFLICT (run, name) DO UPDATE SET
  type = excluded.type, body = excluded.body, size = excluded.size, sha256 = excluded.sha256

-- name: get_file
SELECT name, type, size, sha256, body FROM files WHERE run = :run AND name = :name

-- name: files
SELECT name, type, size, sha256 FROM files WHERE run = :run ORDER BY handed_over

-- name: count_files
SELECT count(*) FROM files WHERE run = :run

-- name: known
SELECT id FROM runs WHERE id IN (SELECT value FROM json_each(:runs))

-- name: part
SELECT name FROM part

-- name: drop_file
DELETE FROM files WHERE run = :run AND name = :name

-- name: expired
SELECT id, size FROM runs WHERE expires <= :now
  UNION ALL SELECT id, size FROM runs WHERE ended <= :before AND expires IS NULL LIMIT 1000

-- name: oldest_finished
SELECT id, size FROM runs WHERE ended <= :before ORDER BY ended LIMIT 1

-- name: room
SELECT bytes FROM room

-- name: erase
DELETE FROM runs WHERE id = :run AND ending IS NOT NULL

-- name: renew
INSERT OR REPLACE INTO workers (id, expires) VALUES (:worker, :now + :seconds)

-- name: release
DELETE FROM workers WHERE id = :worker

-- name: forget_workers
DELETE FROM workers WHERE expires NOT BETWEEN :now - 60 AND :now + 60
