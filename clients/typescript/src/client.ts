/** One client for an application: the service's URL and the options of its requests, in one place. */

import type {Operation, OperationMap} from './events.ts'
import {runUrl} from './http.ts'
import type {StartOptions, WatchOptions} from './options.ts'
import {type Run, startRun, watchRun} from './run.ts'

export interface ClientOptions extends Omit<StartOptions, 'signal' | 'lastEventId' | 'idempotencyKey'> {
  /** The service's URL, below which are `/operations` and `/runs` (default: the origin of the page). */
  url?: string | URL | undefined
}

/** The names of a service's operations. */
export type Name<Ops> = keyof Ops & string

export interface Client<Ops extends OperationMap<Ops> = Record<string, Operation>> {
  /** The options of each request, without the URL; an option of a call replaces the client's. */
  readonly options: Omit<ClientOptions, 'url'>
  /** The URL of an operation. */
  operationUrl(name: Name<Ops>): string
  /** Starts a run of an operation, as the function `startRun` does. */
  startRun<Of extends Name<Ops>>(name: Of, input?: Ops[Of]['input'] | FormData, options?: StartOptions): Run<Ops[Of]>
  /** Watches the run with this id, as the function `watchRun` does. */
  watchRun<Of extends Name<Ops> = Name<Ops>>(runId: string, options?: WatchOptions): Run<Ops[Of]>
}

/** A client of the service at `url`. `Ops` is the interface `Operations` that `headway-types` writes. */
export function createClient<Ops extends OperationMap<Ops> = Record<string, Operation>>({
  url = '',
  ...options
}: ClientOptions = {}): Client<Ops> {
  const base = String(url).replace(/\/+$/, '')
  const operationUrl = (name: string) => `${base}/operations/${encodeURIComponent(name)}`
  const absoluteUrl = (name: string) => new URL(operationUrl(name), globalThis.location?.href)

  return {
    options,
    operationUrl,
    startRun: (name: string, input: unknown, own?: StartOptions) =>
      startRun(absoluteUrl(name), input, withDefaults(options, own)),
    watchRun: (runId: string, own?: WatchOptions) =>
      watchRun(runUrl(String(absoluteUrl('x')), runId), withDefaults(options, own)),
  } as unknown as Client<Ops>
}

/** Options over those of a client: one that is absent or `undefined` is the client's. */
export function withDefaults<T extends object>(defaults: object, options: T = {} as T): T {
  const own = Object.entries(options).filter(([, value]) => value !== undefined)
  return {...defaults, ...Object.fromEntries(own)} as T
}
