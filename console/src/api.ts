// Requests besides the streams, which `@headway/client` reads: the catalogue, the runs, and a start.
//
// URLs are relative to the page, so that a proxy may put the service under any path.

import type {FieldError, ProblemDocument, Progress, Question, Snapshot, Status} from '@headway/client'
import {Problem} from '@headway/client/react'
import {tokenOf} from './tokens'

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

/** An entry of `GET /operations`. `linger` is in seconds; with null a run never stops for lack of viewers. */
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

/** The API key, kept until this tab closes. */
export const apiKey = {
  get: (): string => sessionStorage.getItem(KEY) ?? '',
  set(key: string): void {
    if (key) sessionStorage.setItem(KEY, key)
    else sessionStorage.removeItem(KEY)
    for (const listener of listeners) listener()
  },
  subscribe(listener: () => void): () => void {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  },
}

/** The headers of a request. Called for each one, so that the next request uses a new key. */
export function headers(): Record<string, string> {
  const key = apiKey.get()
  return key ? {Authorization: `Bearer ${key}`} : {}
}

/** The headers of a request for one run: a token that opens it counts instead of the key. */
export function headersOf(run: string): Record<string, string> {
  const token = tokenOf(run)
  return token ? {Authorization: `Bearer ${token}`} : headers()
}

/** The absolute URL of a route, whose path is without its leading slash. */
export function urlOf(path: string): string {
  return new URL(path, new URL('.', document.baseURI)).href
}

let skew = 0

/** The server's time in milliseconds, as accurate as its `Date` headers: to a second. */
export function serverNow(): number {
  return Date.now() + skew
}

/** A route's JSON. Throws `Problem`. */
export async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  let response: Response
  try {
    response = await fetch(urlOf(path), {...init, headers: {...headers(), ...init.headers}})
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new Problem(0, {
      code: 'unreachable',
      detail: 'The service does not answer. Is it running, and are you online?',
    })
  }
  measureSkew(response)
  const body: unknown = await response.json().catch(() => null)
  if (response.ok && body === null) throw new Problem(0, {code: 'cut', detail: 'The response was cut off.'})
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
  request<Snapshot>(`runs/${encodeURIComponent(run)}`, {signal, headers: headersOf(run)})

/** The URL of a file of a run. */
export const fileUrl = (run: string, name: string): string =>
  urlOf(`runs/${encodeURIComponent(run)}/files/${encodeURIComponent(name)}`)

/** An object URL of a file, where its request needs a header, which no link and no `<img>` sends. Throws `Problem`. */
export async function fetchFile(run: string, name: string, signal?: AbortSignal): Promise<string> {
  const response = await fetch(fileUrl(run, name), {headers: headersOf(run), signal})
  if (!response.ok) throw new Problem(response.status, {})
  return URL.createObjectURL(await response.blob())
}

/** A link that opens a run to those without a key, for a day, to watch it. */
export async function linkToWatch(run: string): Promise<string> {
  const body = JSON.stringify({seconds: 86_400, may: ['watch']})
  const init = {method: 'POST', body, headers: {'Content-Type': 'application/json'}}
  const {token} = await request<{token: string}>(`runs/${encodeURIComponent(run)}/tokens`, init)
  return `${location.href.split('#')[0]}#/runs/${encodeURIComponent(run)}?token=${token}`
}

/** The least linger of a run that starts on this page, in seconds: a reload takes less. */
export const LINGER = 60

/**
 * Starts a run without a stream: its page is the first viewer. Two starts with the same `key` are one run.
 * Throws `Problem`; with status 422 its `errors` list the invalid fields.
 */
export function startRun(operation: string, body: FormData | string, key: string): Promise<Snapshot> {
  const type: Record<string, string> = typeof body === 'string' ? {'Content-Type': 'application/json'} : {}
  return request<Snapshot>(`operations/${encodeURIComponent(operation)}`, {
    method: 'POST',
    body,
    headers: {...type, Prefer: `respond-async, linger=${LINGER}`, 'Idempotency-Key': key},
  })
}

function measureSkew(response: Response): void {
  const date = Date.parse(response.headers.get('Date') ?? '')
  // `Date` is rounded down by half a second on average; a skew under two seconds is ignored.
  if (!Number.isNaN(date)) skew = Math.abs(date + 500 - Date.now()) < 2000 ? 0 : date + 500 - Date.now()
}
