// From what a form holds to what the service takes, and back from its complaints to the fields.
import type {ErrorSchema} from '@rjsf/utils'
import type {FieldError, Schema} from '../api'

export type Files = Readonly<Record<string, readonly File[]>>
export type Values = Record<string, unknown>

/** What was filled in: neither left empty, nor left at its default. */
export function filledIn(values: Values, schema: Schema): Values {
  const differs = ([name, value]: [string, unknown]): boolean =>
    !isEmpty(value) && JSON.stringify(value) !== JSON.stringify(schema.properties?.[name]?.default)
  return Object.fromEntries(Object.entries(values).filter(differs))
}

/** The body of a start: a form where there are files, JSON otherwise. */
export function bodyOf(values: Values, files: Files): FormData | string {
  const chosen = Object.entries(files).flatMap(([name, some]) => some.map((file) => [name, file] as const))
  if (chosen.length === 0) return JSON.stringify(values)
  const form = new FormData()
  for (const [name, text] of texts(values)) form.append(name, text)
  for (const [name, file] of chosen) form.append(name, file)
  return form
}

/** The same start from a terminal. */
export function curlOf(url: string, values: Values, files: Files, keyed: boolean): string {
  const parts = ['curl -N']
  if (keyed) parts.push(`-H "Authorization: Bearer $KEY"`)
  const chosen = Object.entries(files).flatMap(([name, some]) =>
    some.map((file) => `-F ${quoted(`${name}=@${file.name}`)}`),
  )
  if (chosen.length)
    parts.push(...chosen, ...texts(values).map(([name, text]) => `--form-string ${quoted(`${name}=${text}`)}`))
  else parts.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(values))}`) // `--json` would ask for JSON
  return [...parts, url].join(' \\\n  ')
}

/** The values as fields of a form: one for each item of a list of words, JSON for what is no word. */
function texts(values: Values): [string, string][] {
  return Object.entries(values).flatMap(([name, value]) =>
    (isList(value) ? value : [value]).map((item): [string, string] => [name, asText(item)]),
  )
}

/** The service's complaints at their fields; those that belong to none of them are `general`. */
export function errorsAt(errors: readonly FieldError[], schema: Schema): {fields: ErrorSchema; general: string[]} {
  const fields: ErrorSchema = {}
  const general: string[] = []
  for (const {loc, msg} of errors) {
    const [first, ...rest] = loc
    if (first === undefined || !(String(first) in (schema.properties ?? {})))
      general.push(loc.length ? `${loc.join('.')}: ${tidy(msg)}` : tidy(msg))
    else put(fields, [first, ...rest.filter((part) => typeof part === 'number' || !/[[(]/.test(part))], tidy(msg))
  }
  return {fields, general}
}

function put(tree: ErrorSchema, path: readonly (string | number)[], message: string): void {
  const [first, ...rest] = path
  if (first === undefined) {
    tree.__errors = [...(tree.__errors ?? []), message]
    return
  }
  const branches = tree as Record<string, ErrorSchema>
  const branch = branches[first] ?? {}
  branches[first] = branch
  put(branch, rest, message)
}

/** pydantic puts the kind of its error ahead of a validator's own words. */
function tidy(message: string): string {
  const words = message.replace(/^(Value|Assertion) error, /, '')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

const isList = (value: unknown): value is unknown[] =>
  Array.isArray(value) && value.every((item) => typeof item !== 'object')
const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || value === '' || (Array.isArray(value) && !value.length)
const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
