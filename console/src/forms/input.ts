// The values of a form as the input of a start, and the service's errors at the form's fields.
import type {ErrorSchema} from '@rjsf/utils'
import type {FieldError, Schema} from '../api'

export type Files = Readonly<Record<string, readonly File[]>>
export type Values = Record<string, unknown>

/** The values that are neither empty nor the field's default. */
export function changedValues(values: Values, schema: Schema): Values {
  const differs = ([name, value]: [string, unknown]): boolean =>
    !isEmpty(value) && JSON.stringify(value) !== JSON.stringify(schema.properties?.[name]?.default)
  return Object.fromEntries(Object.entries(values).filter(differs))
}

/** What stands in a snapshot for a secret (`streaming/runs/shown.py`). */
const MASK = '**********'

/**
 * The values of a form from the input of an earlier run, and the fields that have to be given again: files, secrets, and
 * what was too large for the snapshot.
 */
export function valuesOf(input: unknown, schema: Schema): {values: Values; missing: string[]} {
  const values: Values = {}
  const missing: string[] = []
  if (typeof input !== 'object' || input === null) return {values, missing}
  for (const [name, value] of Object.entries(input)) {
    const field = schema.properties?.[name]
    if (field === undefined || isEmpty(value)) continue
    if (JSON.stringify(field).includes('"binary"') || isLeftOut(value) || JSON.stringify(value).includes(MASK))
      missing.push(name)
    else values[name] = value
  }
  return {values, missing}
}

const isLeftOut = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  'omitted' in value &&
  typeof value.omitted === 'number' &&
  Object.keys(value).length === 1

/** The body of a start: a form if there are files, JSON otherwise. */
export function bodyOf(values: Values, files: Files): FormData | string {
  const parts = fileParts(files)
  if (parts.length === 0) return JSON.stringify(values)
  const form = new FormData()
  for (const [name, text] of textParts(values)) form.append(name, text)
  for (const [name, file] of parts) form.append(name, file)
  return form
}

/** The command that does the same start. */
export function curlOf(url: string, values: Values, files: Files, hasKey: boolean): string {
  const options = ['curl -N']
  if (hasKey) options.push(`-H "Authorization: Bearer $KEY"`)
  const parts = fileParts(files).map(([name, file]) => `-F ${quoted(`${name}=@${file.name}`)}`)
  if (parts.length)
    options.push(...parts, ...textParts(values).map(([name, text]) => `--form-string ${quoted(`${name}=${text}`)}`))
  else options.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(values))}`) // `--json` would accept JSON only
  return [...options, url].join(' \\\n  ')
}

const fileParts = (files: Files): (readonly [string, File])[] =>
  Object.entries(files).flatMap(([name, list]) => list.map((file) => [name, file] as const))

/** The values as parts of a form: one for each item of a list, and JSON for anything but a string. */
function textParts(values: Values): [string, string][] {
  return Object.entries(values).flatMap(([name, value]) =>
    (isList(value) ? value : [value]).map((item): [string, string] => [name, asText(item)]),
  )
}

/** The service's errors by field; those that belong to no field are `general`. */
export function errorsAt(errors: readonly FieldError[], schema: Schema): {fields: ErrorSchema; general: string[]} {
  const fields: ErrorSchema = {}
  const general: string[] = []
  for (const {loc, msg} of errors) {
    const [first, ...rest] = loc
    if (first === undefined || !(String(first) in (schema.properties ?? {})))
      general.push(loc.length ? `${loc.join('.')}: ${sentence(msg)}` : sentence(msg))
    else put(fields, [first, ...rest.filter((part) => typeof part === 'number' || !/[[(]/.test(part))], sentence(msg))
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

/** pydantic's message without the type of the error, which precedes that of a validator function. */
function sentence(message: string): string {
  const words = message.replace(/^(Value|Assertion) error, /, '')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

const isList = (value: unknown): value is unknown[] =>
  Array.isArray(value) && value.every((item) => typeof item !== 'object')
const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || value === '' || (Array.isArray(value) && !value.length)
const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
