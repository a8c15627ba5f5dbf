// Follows a run and writes a line of JSON for each event, for the worker behind each connection, and for the result.
//
//     node follow.mjs INDEX_JS start OPERATION_URL INPUT
//     node follow.mjs INDEX_JS watch RUN_URL WORKER      by way of another worker than this one

const [index, verb, url, last] = process.argv.slice(2)
const {startRun, watchRun} = await import(index)

let worker
const options = {fetch: telling, retryDelay: 0.05, maxDelay: 0.5, maxAttempts: 100}

/** Tells which of the service's workers has answered. */
async function telling(...request) {
  const response = await fetch(...request)
  worker = Number(response.headers.get('Worker'))
  say({worker, status: response.status})
  return response
}

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/** A viewer of the run on a worker that is not the one to avoid: whichever accepts a connection has it. */
async function elsewhere(avoided) {
  for (;;) {
    const run = watchRun(url, options)
    const events = run[Symbol.asyncIterator]()
    const first = await events.next()
    if (worker !== avoided) {
      say(first.value)
      return {run, events: {[Symbol.asyncIterator]: () => events}}
    }
    run.disconnect()
  }
}

function start() {
  const run = startRun(url, JSON.parse(last), options)
  return {run, events: run}
}

const {run, events} = verb === 'start' ? start() : await elsewhere(Number(last))
for await (const event of events) say(event)
say({result: await run.result})
