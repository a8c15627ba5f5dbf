/** The cases of tests/streams, which its README describes. */

import {readdirSync, readFileSync} from 'node:fs'

import {HeadwayError, Problem, RunCancelled, RunFailed} from '../src/errors.ts'
import type {Run, RunEvent, Snapshot} from '../src/index.ts'

const STREAMS = new URL('../../../tests/streams/', import.meta.url)

export type Piece = string | {base64: string} | {wait: number}

export interface Answer {
  status?: number
  headers?: Record<string, string | null>
  json?: unknown
  body?: Piece[]
  end?: 'whole' | 'cut' | 'stall'
}

export interface ExpectedRequest {
  method: string
  path: string
  last_event_id?: string
  after?: number
}

export interface Ending {
  status: string
  result?: unknown
  error?: unknown
  reason?: string
  http?: number
  code?: string
}

export interface Fault {
  title: string
  verb: 'start' | 'watch'
  options?: Record<string, number>
  answers: Answer[]
  snapshot?: Snapshot
  requests: ExpectedRequest[]
  same_key?: boolean
  events: RunEvent[]
  ending: Ending
}

export interface Recording {
  title: string
  operation: string
  run: string
  frames: string[]
  snapshot: Snapshot
  events: RunEvent[]
  ending: Ending
}

export function faults(): [string, Fault][] {
  return read('faults') as [string, Fault][]
}

export function recordings(): [string, Recording][] {
  return read('recorded') as [string, Recording][]
}

function read(folder: string): [string, unknown][] {
  const names = readdirSync(new URL(`${folder}/`, STREAMS)).filter((name) => name.endsWith('.json'))
  if (!names.length) throw new Error(`tests/streams/${folder} is empty`)
  return names
    .sort()
    .map((name) => [name.slice(0, -5), JSON.parse(readFileSync(new URL(`${folder}/${name}`, STREAMS), 'utf8'))])
}

/** The events of a run's iteration, and its ending as the cases describe it. */
export async function readToEnd(run: Run): Promise<{events: RunEvent[]; ending: Ending}> {
  const events: RunEvent[] = []
  let thrown: unknown
  try {
    for await (const event of run) events.push(event)
  } catch (error) {
    thrown = error
  }
  const settled = await run.result.then(
    (result) => ({status: 'succeeded', result}),
    (error: unknown) => endingOf(error),
  )
  if (thrown && settled.status !== endingOf(thrown).status) throw thrown
  return {events, ending: settled}
}

function endingOf(error: unknown): Ending {
  if (error instanceof RunFailed) {
    const {code, message, retryable} = error
    return {status: 'failed', error: {code, message, retryable}}
  }
  if (error instanceof RunCancelled) return {status: 'cancelled', reason: error.reason}
  if (error instanceof Problem) return {status: 'problem', http: error.status, code: error.code}
  if (error instanceof HeadwayError) return {status: error.code}
  throw error
}
