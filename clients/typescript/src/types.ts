/** The catalogue of a service as TypeScript: `GET /operations` in, a module's text out. */

import {compile} from 'json-schema-to-typescript'

type Json = Record<string, unknown>

/** An entry of `GET /operations`, as far as types go; `result` is absent where the service does not know. */
export interface CatalogueEntry {
  name: string
  description?: string
  input: Json
  result?: Json
}

/** A module with an interface for each operation, and `Operations`, which has them all by name. */
export async function typesOf(operations: CatalogueEntry[], origin: string): Promise<string> {
  const banner = `// The operations of ${origin}, as \`headway-types\` found them. Do not edit: write it anew.\n`
  const modules = await Promise.all(operations.map(moduleOf))
  const names = operations.map(({name}) => `  ${JSON.stringify(name)}: ${pascal(name)};\n`)
  const all = `/** \`startRun<Operations['NAME']>(...)\`, \`useRun<Operations['NAME']>(...)\`. */\nexport interface Operations {\n${names.join('')}}\n`
  return [banner, ...modules, all].join('\n')
}

function moduleOf({name, description, input, result = {tsType: 'unknown'}}: CatalogueEntry): Promise<string> {
  const title = pascal(name)
  const both = [renamed(input, `${title}Input`), renamed(result, `${title}Result`)] as const
  const schema = {
    title,
    description,
    type: 'object',
    required: ['input', 'result'],
    additionalProperties: false,
    properties: {input: both[0].schema, result: both[1].schema},
    $defs: {...both[0].definitions, ...both[1].definitions},
  }
  // biome-ignore lint/suspicious/noExplicitAny: the package's type of a schema is that of draft 4
  return compile(schema as any, title, {
    bannerComment: '',
    unknownAny: true,
    additionalProperties: false, // what a schema does not name is a slip of whoever writes it
    ignoreMinAndMaxItems: true, // else a list of at most twenty is a union of twenty-one tuples
  })
}

/** A schema under a name of its own, and its definitions, whose names begin with that: those of others may be alike. */
function renamed(schema: Json, title: string): {schema: Json; definitions: Json} {
  const {$defs = {}, ...rest} = schema
  const named = (name: string) => title + pascal(name)
  const definitions = Object.entries($defs as Json).map(([name, each]) => [named(name), plain(each, named)])
  return {schema: {...(plain(rest, named) as Json), title}, definitions: Object.fromEntries(definitions)}
}

/** A schema without the titles of its parts, each of which would become a type; its references follow `named`. */
function plain(schema: unknown, named: (name: string) => string): unknown {
  if (Array.isArray(schema)) return schema.map((each) => plain(each, named))
  if (typeof schema !== 'object' || schema === null) return schema
  if ((schema as Json)['format'] === 'binary') return {tsType: 'Blob'}
  const kept = Object.entries(schema).filter(([key, value]) => key !== 'title' || typeof value !== 'string')
  return Object.fromEntries(kept.map(([key, value]) => [key, key === '$ref' ? refer(value) : plain(value, named)]))

  function refer(to: unknown): unknown {
    return String(to).replace(/^#\/\$defs\/(.*)$/, (_, name) => `#/$defs/${named(name)}`)
  }
}

/** `count-pages` as `CountPages`. */
function pascal(name: string): string {
  return name.replace(/(?:^|[^a-zA-Z0-9]+)([a-zA-Z0-9]?)/g, (_, letter: string) => letter.toUpperCase())
}
