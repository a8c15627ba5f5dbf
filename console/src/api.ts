// The service's routes besides the streams, which are `@headway/client`'s: the catalogue, the runs, and a start.
//
// Addresses are relative to the page, so that a proxy may put the service under any path.

import type {FieldError, ProblemDocument, Progress, Question, Snapshot, Status} from '@headway/client'
import {Problem} from '@headway/client/react'

/** JSON Schema, as pydantic writes it. */
export interface Schema {
  type?: string | string[]
  title?: string
  description?: string
  default?: unknown
  examples?: unknown[]
  enum?: unknown[]
  const?: unknown
  format?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema | boolean
  anyOf?: Schema[]
  additionalProperties?: Schema | boolean
  $ref?: string
  $defs?: Record<string, Schema>
  [keyword: string]: unknown
}

/** An entry of `GET /operations`. `linger` is in seconds; null: the run is never stopped for want of viewers. */
export interface Operation {
  name: string
  title: string
  description: string
  input: Schema
  linger: number | null
  runs_in: string
}

export type {FieldError, Progress, Question, Snapshot, Status}
export {Problem}

const KEY = 'headway.key'
const listeners = new Set<() => void>()

/** The API key of this tab: it is gone when the tab is. */
export const apiKey = {
  get: (): string => sessionStorage.getItem(KEY) ?? '',
  set(key: string): void {
    if (key) sessionStorage.setItem(KEY, key)
    else sessionStorage.removeItem(KEY)
    for (const tell of listeners) tell()
  },
  subscribe(listener: () => void): () => void {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  },
}

/** Headers of every request, read anew for each: a key that was just entered holds from the next one on. */
export function headers(): Record<string, string> {
  const key = apiKey.get()
  return key ? {Authorization: `Bearer ${key}`} : {}
}

/** The absolute address of a route, given without its leading slash. */
export function address(path: string): string {
  return new URL(path, new URL('.', document.baseURI)).href
}

let skew = 0

/** The server's clock, in milliseconds, as well as its `Date` headers tell: within a second. */
export function serverNow(): number {
  return Date.now() + skew
}

/** A route's JSON. Throws `Problem`. */
export async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  let response: Response
  try {
    response = await fetch(address(path), {...init, headers: {...headers(), ...init.headers}})
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new Problem(0, {
      code: 'unreachable',
      detail: 'The service does not answer. Is it running, and are you online?',
    })
  }
  learnClock(response)
  const body: unknown = await response.json().catch(() => null)
  if (response.ok && body === null) throw new Problem(0, {code: 'cut', detail: 'The answer was cut off on its way.'})
  if (!response.ok) throw new Problem(response.status, (body ?? {}) as ProblemDocument)
  return body as T
}

export const catalogue = (): Promise<Operation[]> =>
  request<{operations: Operation[]}>('operations').then((answer) => answer.operations)

export interface RunFilter {
  operation?: string
  status?: string
  limit?: number
  before?: string
}

/** A page of the caller's runs, newest first. */
export function listRuns(filter: RunFilter, signal?: AbortSignal): Promise<Snapshot[]> {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(filter)) if (value) query.set(name, String(value))
  return request<{runs: Snapshot[]}>(`runs?${query}`, {signal}).then((answer) => answer.runs)
}

export const snapshotOf = (run: string, signal?: AbortSignal): Promise<Snapshot> =>
  request<Snapshot>(`runs/${encodeURIComponent(run)}`, {signal})

/** Seconds that a run of this page goes on at least without it: enough for a reload. */
export const LINGER = 60

/**
 * Starts a run without a stream: its page is the first to watch it. `key` makes a repeated start the same run.
 * Throws `Problem`; 422 tells the fields.
 */
export function startRun(operation: string, body: FormData | string, key: string): Promise<Snapshot> {
  const kind: Record<string, string> = typeof body === 'string' ? {'Content-Type': 'application/json'} : {}
  return request<Snapshot>(`operations/${encodeURIComponent(operation)}`, {
    method: 'POST',
    body,
    headers: {...kind, Prefer: `respond-async, linger=${LINGER}`, 'Idempotency-Key': key},
  })
}

function learnClock(response: Response): void {
  const date = Date.parse(response.headers.get('Date') ?? '')
  // Half a second is the header's mean rounding; a difference under two seconds is no difference.
  if (!Number.isNaN(date)) skew = Math.abs(date + 500 - Date.now()) < 2000 ? 0 : date + 500 - Date.now()
}
