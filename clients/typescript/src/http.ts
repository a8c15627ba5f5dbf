/** Requests to the service: their URLs, headers and bodies, and the `Problem` of a refused one. */

import {Misuse, Problem, type ProblemDocument} from './errors.ts'
import type {HeaderValues, WatchOptions} from './options.ts'

/** The absolute form of a URL, relative to the page's. Throws `TypeError` if it is invalid. */
export function absolute(url: string | URL, page = globalThis.location?.href): string {
  return String(new URL(url, page)).replace(/\/+$/, '')
}

/** The URL of a run of the operation at `url`: `runs/ID` beside `operations/NAME`. */
export function runUrl(url: string, id: string): string {
  return String(new URL(`../runs/${encodeURIComponent(id)}`, url))
}

/** Whether a URL is an operation's. */
export function isOperationUrl(url: string): boolean {
  return /\/operations\/[^/?#]+$/.test(new URL(url).pathname)
}

/** The id in a run's URL. */
export function runId(url: string): string {
  return decodeURIComponent(new URL(url).pathname.split('/').pop() as string)
}

/** The headers of the last request of each caller, for a page that is being left: nothing that waits runs there. */
const lastHeaders = new WeakMap<WatchOptions, Record<string, string>>()

/**
 * Sends a request with the caller's headers, made for this request, and once more with new ones after a 401. Throws
 * `Misuse` where the headers cannot be made or sent.
 */
export async function send(options: WatchOptions, url: string, init: RequestInit): Promise<Response> {
  const response = await sendOnce(options, url, init)
  if (response.status !== 401 || typeof options.headers !== 'function') return response
  await discard(response)
  return sendOnce(options, url, init)
}

async function sendOnce(options: WatchOptions, url: string, init: RequestInit): Promise<Response> {
  const source = misuse(() => (typeof options.headers === 'function' ? options.headers() : options.headers))
  const values = await source // where this rejects, the attempt has failed: the network of a token, say
  const headers = misuse(() => plain(values))
  lastHeaders.set(options, headers)
  return request(options, url, headers, init)
}

/** Calls a function of the caller. Throws `Misuse` where it throws. */
function misuse<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw new Misuse('The headers of a request cannot be sent', error)
  }
}

/** Sends a request before the page is gone, with headers that are there without waiting. */
export function sendLast(options: WatchOptions, url: string, init: RequestInit): void {
  try {
    const source = typeof options.headers === 'function' ? options.headers() : options.headers
    const headers = source instanceof Promise ? lastHeaders.get(options) : plain(source)
    if (source instanceof Promise) source.catch(() => {})
    request(options, url, headers ?? {}, {...init, keepalive: true}).catch(() => {})
  } catch {
    // Nobody is left to be told.
  }
}

function request(
  options: WatchOptions,
  url: string,
  headers: Record<string, string>,
  init: RequestInit,
): Promise<Response> {
  return fetchOf(options)(url, {
    credentials: options.credentials ?? 'same-origin',
    cache: 'no-store',
    ...init,
    headers: {...headers, ...(init.headers as Record<string, string>)},
  })
}

/** The caller's `fetch`, or that of the platform. Throws `Misuse` where there is none. */
export function fetchOf(options: WatchOptions): typeof globalThis.fetch {
  const request = options.fetch ?? globalThis.fetch
  if (!request) throw new Misuse('There is no `fetch` here: pass one')
  return request
}

function plain(source: HeaderValues = {}): Record<string, string> {
  const entries = source instanceof Headers ? [...source] : Object.entries(source)
  const defined = entries.filter(([, value]) => value !== undefined) as [string, string][]
  new Headers(defined) // throws for a header that cannot be sent
  return Object.fromEntries(defined)
}

/** The `Problem` of a response that refuses the request. */
export async function problemOf(response: Response): Promise<Problem> {
  const document: ProblemDocument = isJson(response) ? await response.json().catch(() => ({})) : {}
  if (!isJson(response)) await discard(response)
  return new Problem(response.status, document, retryAfter(response))
}

/** Cancels a body that is not read. */
export async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {})
}

function isJson(response: Response): boolean {
  return /[/+]json\b/.test(response.headers.get('Content-Type') ?? '')
}

/** Seconds in `Retry-After`, which is a number or a date (RFC 9110, section 10.2.3); 0 without one. */
function retryAfter(response: Response): number {
  const value = response.headers.get('Retry-After') ?? ''
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000
  return Math.max(0, seconds || 0) // an invalid date gives NaN
}

/**
 * The body of a start: a form if the input is one or contains a file, JSON otherwise. Throws `TypeError` for what JSON
 * cannot hold, and for an event of the page: `onClick={run.start}` passes one.
 */
export function bodyOf(input: unknown): {body: BodyInit; headers: Record<string, string>} {
  if (isPageEvent(input)) throw new TypeError('An event of the page is no input: write `() => start(input)`.')
  if (input instanceof FormData) return {body: input, headers: {}}
  if (hasFile(input)) return {body: formOf(input), headers: {}}
  return {body: JSON.stringify(input ?? {}), headers: {'Content-Type': 'application/json'}}
}

function isPageEvent(input: unknown): boolean {
  return typeof input === 'object' && input !== null && ('nativeEvent' in input || input instanceof Event)
}

function hasFile(input: unknown): input is Record<string, unknown> {
  return typeof input === 'object' && input !== null && Object.values(input).flat().some(isFile)
}

function isFile(value: unknown): value is Blob {
  return value instanceof Blob
}

function formOf(input: Record<string, unknown>): FormData {
  const form = new FormData()
  for (const [name, value] of Object.entries(input)) {
    for (const each of [value].flat()) {
      if (isFile(each)) form.append(name, each)
      else if (typeof each === 'object' && each) form.append(name, JSON.stringify(each))
      else if (each !== undefined && each !== null) form.append(name, String(each))
    }
  }
  return form
}
