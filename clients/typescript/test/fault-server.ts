/** A small server that answers as a case of tests/streams describes. */

import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo, Socket} from 'node:net'
import {setTimeout as sleep} from 'node:timers/promises'

import type {Answer, ExpectedRequest, Fault} from './cases.ts'

export interface FaultServer {
  url: string
  /** The requests for the stream so far; `after` is the time since the end of the previous answer. */
  requests: (ExpectedRequest & {key: string | undefined; body: string})[]
  close(): Promise<void>
}

export async function serve(fault: Pick<Fault, 'answers' | 'snapshot'>): Promise<FaultServer> {
  const requests: FaultServer['requests'] = []
  const sockets = new Set<Socket>()
  let ended: number | undefined
  const server = createServer((request, response) => {
    void handle(request, response).catch(() => response.destroy())
  })
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise((closed) => server.close(() => closed()))
    },
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url as string).replace('?merge=deltas', '')
    const chunks: Buffer[] = await request.toArray()
    if (/^\/runs\/[^/]+$/.test(path)) return problemOrJson(response, 200, fault.snapshot)
    const answer = fault.answers[requests.length]
    requests.push({
      method: request.method as string,
      path,
      last_event_id: request.headers['last-event-id'] as string | undefined,
      after: ended === undefined ? undefined : (performance.now() - ended) / 1000,
      key: request.headers['idempotency-key'] as string | undefined,
      body: Buffer.concat(chunks).toString(),
    })
    if (!answer) throw new Error('one request too many')
    try {
      await send(answer, request, response)
    } finally {
      ended = performance.now()
    }
  }
}

async function send(answer: Answer, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const {status = 200, json, body = [], end = 'whole'} = answer
  if (status === 0) return void request.socket.destroy()
  const headers = headersOf(answer, request.method === 'POST')
  if (json !== undefined) return problemOrJson(response, status, json, headers)
  response.writeHead(status, headers)
  response.flushHeaders()
  for (const piece of body) {
    if (typeof piece === 'object' && 'wait' in piece) await sleep(piece.wait * 1000)
    else await write(response, typeof piece === 'string' ? Buffer.from(piece) : Buffer.from(piece.base64, 'base64'))
  }
  if (end === 'whole') response.end()
  if (end === 'cut') request.socket.destroy()
  if (end === 'stall') await new Promise((left) => request.socket.once('close', left))
}

/** Sends a piece in a packet of its own. */
async function write(response: ServerResponse, bytes: Buffer): Promise<void> {
  await new Promise<void>((written, failed) => response.write(bytes, (error) => (error ? failed(error) : written())))
  await sleep(1)
}

function headersOf({headers = {}}: Answer, isStart: boolean): Record<string, string> {
  const run = isStart ? {Location: '/runs/r1', 'Run-Id': 'r1'} : {}
  const all = Object.entries({'Content-Type': 'text/event-stream', ...run, ...headers})
  return Object.fromEntries(all.filter((header): header is [string, string] => header[1] !== null))
}

function problemOrJson(
  response: ServerResponse,
  status: number,
  json: unknown,
  more: Record<string, string> = {},
): void {
  const type = status < 400 ? 'application/json' : 'application/problem+json'
  response.writeHead(json === undefined ? 404 : status, {...more, 'Content-Type': type})
  response.end(JSON.stringify(json ?? {}))
}
