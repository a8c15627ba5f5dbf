/** Requests to the service: their URLs, headers and bodies, and the `Problem` of a refused one. */

import {Problem, type ProblemDocument} from './errors.ts'
import type {WatchOptions} from './options.ts'

/** The absolute form of a URL, relative to the page's. Throws `TypeError` if it is invalid. */
export function absolute(url: string | URL, page = globalThis.location?.href): string {
  return String(new URL(url, page)).replace(/\/+$/, '')
}

/** The URL of a run of the operation at `url`: `runs/ID` beside `operations/NAME`. */
export function runUrl(url: string, id: string): string {
  return String(new URL(`../runs/${encodeURIComponent(id)}`, url))
}

/** The id in a run's URL. */
export function runId(url: string): string {
  return decodeURIComponent(new URL(url).pathname.split('/').pop() as string)
}

/** Sends a request with the caller's headers, made for this request. */
export async function send(options: WatchOptions, url: string, init: RequestInit): Promise<Response> {
  const source = typeof options.headers === 'function' ? options.headers() : options.headers
  // Without a promise there is no `await`: on a page that is being left nothing runs after it.
  const headers = source instanceof Promise ? await source : source
  const request = options.fetch ?? globalThis.fetch
  return request(url, {
    credentials: options.credentials ?? 'same-origin',
    cache: 'no-store',
    ...init,
    headers: {...headers, ...(init.headers as Record<string, string>)},
  })
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

/** The body of a start: a form if the input is one or contains a file, JSON otherwise. */
export function bodyOf(input: unknown): {body: BodyInit; headers: Record<string, string>} {
  if (input instanceof FormData) return {body: input, headers: {}}
  if (hasFile(input)) return {body: formOf(input), headers: {}}
  return {body: JSON.stringify(input ?? {}), headers: {'Content-Type': 'application/json'}}
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
