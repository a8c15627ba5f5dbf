/** A TCP proxy that cuts each of its connections after `life` milliseconds. */

import {type AddressInfo, createConnection, createServer, type Socket} from 'node:net'

export interface Cutter {
  url: string
  cuts: number
  close(): Promise<void>
}

export async function startCutter(upstream: string, life: number): Promise<Cutter> {
  const {hostname, port} = new URL(upstream)
  const open = new Set<Socket>()
  const server = createServer((client) => {
    const service = createConnection(Number(port), hostname)
    const sockets = [client, service]
    const timer = setTimeout(() => {
      cutter.cuts += 1
      for (const each of sockets) each.resetAndDestroy()
    }, life)
    for (const each of sockets) {
      open.add(each)
      each.on('error', () => {})
      each.on('close', () => {
        clearTimeout(timer)
        open.delete(each)
        for (const other of sockets) other.destroy()
      })
    }
    client.pipe(service).pipe(client)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const cutter: Cutter = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cuts: 0,
    close() {
      for (const each of open) each.destroy()
      return new Promise((closed) => server.close(() => closed()))
    },
  }
  return cutter
}
