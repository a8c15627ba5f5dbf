/** Requests to the service: their URLs, their headers, and what its refusals are made into. */

import {Problem, type ProblemDocument} from './errors.ts'
import type {WatchOptions} from './options.ts'

/** The absolute form of a URL; relative ones belong to the page. Throws a `TypeError` for what is none. */
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

/** Sends a request with the caller's headers, made anew for it. */
export async function send(options: WatchOptions, url: string, init: RequestInit): Promise<Response> {
  const made = typeof options.headers === 'function' ? options.headers() : options.headers
  // Without a turn of the loop where nothing has to be waited for: a page that is being left has no turn any more.
  const headers = made instanceof Promise ? await made : made
  const request = options.fetch ?? globalThis.fetch
  return request(url, {
    credentials: options.credentials ?? 'same-origin',
    cache: 'no-store',
    ...init,
    headers: {...headers, ...(init.headers as Record<string, string>)},
  })
}

/** What the service refuses with. */
export async function problemOf(response: Response): Promise<Problem> {
  const document: ProblemDocument = isJson(response) ? await response.json().catch(() => ({})) : {}
  if (!isJson(response)) await discard(response)
  return new Problem(response.status, document, retryAfter(response))
}

/** Lets a body go that nobody will read. */
export async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {})
}

function isJson(response: Response): boolean {
  return /[/+]json\b/.test(response.headers.get('Content-Type') ?? '')
}

/** Seconds that the service asks to be left alone (RFC 9110, section 10.2.3: a number, or a date). */
function retryAfter(response: Response): number {
  const said = response.headers.get('Retry-After') ?? ''
  const seconds = /^\d+$/.test(said) ? Number(said) : (Date.parse(said) - Date.now()) / 1000
  return Math.max(0, seconds || 0) // a date that is none is no number
}

/** What an input travels as: a form where it is one or has a file in it, else JSON. */
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
