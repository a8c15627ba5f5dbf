// Parses event streams with the npm package eventsource-parser, so that the tests have a reader that is not ours.
//
// A line of input is one stream: a JSON list of its chunks in base64. The line of output that answers it is the list
// of the messages: `id` is null where the event itself named none, `retry` the reconnection time set so far.

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
  // Kept over the chunks, it decodes characters that were cut in two; it is the one that takes a BOM away.
  const decoder = new TextDecoder()
  for (const chunk of chunks) parser.feed(decoder.decode(Buffer.from(chunk, 'base64'), {stream: true}))
  return messages
}

for await (const line of createInterface({input: process.stdin})) {
  process.stdout.write(JSON.stringify(parse(JSON.parse(line))) + '\n')
}
