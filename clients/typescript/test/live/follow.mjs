// Follows a run, and prints a line of JSON for each event, for the worker that answers each request, and for the result.
//
//     node follow.mjs INDEX_JS start OPERATION_URL INPUT
//     node follow.mjs INDEX_JS watch RUN_URL WORKER      on another worker than this one

const [index, verb, url, last] = process.argv.slice(2)
const {startRun, watchRun} = await import(index)

let worker
const options = {fetch: fetchAndPrint, retryDelay: 0.05, maxDelay: 0.5, maxAttempts: 100}

/** Prints which of the service's workers has answered. */
async function fetchAndPrint(...request) {
  const response = await fetch(...request)
  worker = Number(response.headers.get('Worker'))
  print({worker, status: response.status})
  return response
}

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/** Watches the run on another worker than `avoided`: a client cannot choose one, so it connects until it has one. */
async function watchElsewhere(avoided) {
  for (;;) {
    const run = watchRun(url, options)
    const events = run[Symbol.asyncIterator]()
    const first = await events.next()
    if (worker !== avoided) {
      print(first.value)
      return {run, events: {[Symbol.asyncIterator]: () => events}}
    }
    run.disconnect()
  }
}

function start() {
  const run = startRun(url, JSON.parse(last), options)
  return {run, events: run}
}

const {run, events} = verb === 'start' ? start() : await watchElsewhere(Number(last))
for await (const event of events) print(event)
print({result: await run.result})
