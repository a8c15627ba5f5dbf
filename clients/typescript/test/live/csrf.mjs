// Starts, answers and cancels runs of an application that wants a CSRF token with each of these requests.
//
//   node csrf.mjs INDEX URL
//
// INDEX is the built client. Prints as JSON the outcomes, how often `headers` was called, and the refusal without a token.

const [index, url] = process.argv.slice(2)
const {startRun} = await import(index)

let calls = 0
async function headers() {
  calls += 1
  const response = await fetch(`${url}/token`)
  return {
    'X-CSRFToken': await response.text(),
    Cookie: response.headers.get('Set-Cookie').split(';')[0],
    'X-Protect': '1',
  }
}

const answered = startRun(`${url}/operations/echoed`, {word: 'ask'}, {headers})
for await (const event of answered) if (event.type === 'question') await answered.answer('yes')
const cancelled = startRun(`${url}/operations/echoed`, {word: 'ask'}, {headers})
cancelled.result.catch(() => {})
const seen = []
for await (const event of cancelled) {
  seen.push(event.type)
  if (event.type === 'question') await cancelled.cancel()
}
const refused = startRun(`${url}/operations/echoed`, {word: 'ask'}, {headers: {'X-Protect': '1'}})
const refusal = await refused.result.catch((problem) => problem.message)
console.log(JSON.stringify({result: await answered.result, last: seen.at(-1), calls, refusal}))
