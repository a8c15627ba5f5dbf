// Parses event streams with the npm package eventsource-parser, to compare our parser with it.
//
// A line of input is one stream: a JSON list of its chunks in base64. Its line of output is the list of the messages: `id`
// is null where the event has none of its own, `retry` is the reconnection time set so far.

import {createInterface} from 'node:readline'

import {createParser} from 'eventsource-parser'

function parse(chunks) {
  const messages = []
  let retry = null
  const parser = createParser({
    onEvent: ({id = null, event = 'message', data}) => messages.push({id, event, data, retry}),
    onRetry: (milliseconds) => {
      retry = milliseconds
    },
  })
  // One decoder for all chunks decodes characters that were cut in two. It also removes a byte order mark.
  const decoder = new TextDecoder()
  for (const chunk of chunks) parser.feed(decoder.decode(Buffer.from(chunk, 'base64'), {stream: true}))
  return messages
}

for await (const line of createInterface({input: process.stdin})) {
  process.stdout.write(JSON.stringify(parse(JSON.parse(line))) + '\n')
}
