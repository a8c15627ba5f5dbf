#!/usr/bin/env node
/** The command `headway-types`: the operations of a service as TypeScript, on standard output. */

import {parseArgs} from 'node:util'

import {type CatalogueEntry, typesOf} from './codegen.ts'

const USAGE = `usage: headway-types [-H 'NAME: VALUE'] URL > operations.ts

Writes the types of each operation's input and result. URL is that of the service, or of its /operations;
-H adds a header to the request, as in curl: -H "Authorization: Bearer $KEY".
`

async function main(): Promise<number> {
  const [url, headers] = readArguments()
  if (!url) {
    process.stderr.write(USAGE)
    return 2
  }
  try {
    const operations = await fetchOperations(
      /\/operations\/?$/.test(url) ? url : `${url.replace(/\/+$/, '')}/operations`,
      headers,
    )
    process.stdout.write(await typesOf(operations, url))
    return 0
  } catch (error) {
    const {message, cause} = error as Error
    process.stderr.write(`headway-types: ${url}: ${message}${cause ? ` (${(cause as Error).message || cause})` : ''}\n`)
    return 1
  }
}

function readArguments(): [string | undefined, Record<string, string>] {
  try {
    const {positionals, values} = parseArgs({
      allowPositionals: true,
      options: {header: {type: 'string', short: 'H', multiple: true, default: []}},
    })
    const headers = values.header.map((header) => header.split(/:\s*(.*)/s).slice(0, 2))
    return [positionals.length === 1 ? positionals[0] : undefined, Object.fromEntries(headers)]
  } catch {
    return [undefined, {}]
  }
}

async function fetchOperations(url: string, headers: Record<string, string>): Promise<CatalogueEntry[]> {
  const response = await fetch(url, {headers: {Accept: 'application/json', ...headers}})
  if (!response.ok) throw new Error(`the service answered with status ${response.status}`)
  const {operations} = (await response.json()) as {operations?: CatalogueEntry[]}
  if (!Array.isArray(operations)) throw new Error('the response is not a list of operations')
  return operations
}

process.exitCode = await main()
