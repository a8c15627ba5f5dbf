// From an operation's JSON Schema to what the form is made of: the schema without what only validators need, and the
// choice of a widget for each field.
import type {UiSchema} from '@rjsf/utils'
import type {Schema} from '../api'
import {label} from '../format'

/** Names whose strings are prose or code, and so get several lines. */
const LONG = /(^|_)(prompt|question|goal|sql|text|query|message|instructions|system|statement)$/
const DEEPEST = 5
const CODE = /(^|_)(sql|query|statement|code)$/

/**
 * The schema as a form shows it: `anyOf [X, null]`, which is how pydantic writes an optional field, becomes X, and a
 * field that takes one file or several takes several.
 */
export function forForm(schema: Schema): Schema {
  const plain = withoutNull(schema)
  const copy: Schema = {...plain}
  if (plain.properties)
    copy.properties = Object.fromEntries(
      Object.entries(plain.properties).map(([name, field]) => [name, titled(name, forForm(field))]),
    )
  if (plain.$defs) copy.$defs = mapValues(plain.$defs, forForm)
  if (isSchema(plain.items)) copy.items = forForm(plain.items)
  return copy
}

/** pydantic makes titles of names, Each Word Capital; as labels they read better as sentences begin. */
function titled(name: string, field: Schema): Schema {
  const made = name.replaceAll('_', ' ').replace(/(^| )\w/g, (first) => first.toUpperCase())
  return field.title === undefined || field.title === made ? {...field, title: label(name)} : field
}

/** The schema of a question's answer: an empty one takes any JSON, of which a form asks for text. */
export function forAnswer(schema: Schema | undefined): Schema {
  const plain = forForm(schema ?? {})
  return Object.keys(plain).some((key) => !['title', 'description'].includes(key)) ? plain : {...plain, type: 'string'}
}

/** The widgets of a schema that `forForm` gave. `deep` ends what refers to itself. */
export function uiFor(schema: Schema, root = schema, deep = 0): UiSchema {
  const ui: UiSchema = {'ui:submitButtonOptions': {norender: true}}
  const fields = Object.entries(schema.properties ?? {})
  if (deep < DEEPEST) for (const [name, field] of fields) ui[name] = uiOfField(name, field, root, deep)
  // Switches stand together, after all else.
  const isSwitch = ([, field]: [string, Schema]): boolean => field.type === 'boolean'
  ui['ui:order'] = [...fields.filter((each) => !isSwitch(each)), ...fields.filter(isSwitch)].map(([name]) => name)
  return ui
}

/** The kinds of files a field is said to take, for the browser's dialogue: pydantic passes `accept` on. */
export const accepted = (schema: Schema): string | undefined =>
  typeof schema.accept === 'string' ? schema.accept : undefined

function uiOfField(name: string, said: Schema, root: Schema, deep: number): UiSchema {
  const field = resolved(said, root)
  if (isBinary(field)) return {'ui:widget': 'file'}
  if (isBinaryList(field)) return {'ui:widget': 'files'}
  if (isFreeForm(field, root)) return {'ui:field': 'json'}
  if (field.properties) return uiFor(field, root, deep + 1)
  if (isSchema(field.items) && field.items.enum && field.uniqueItems) return {'ui:widget': 'checkboxes'}
  if (field.type === 'array' && isSchema(field.items)) return {items: uiOfField(name, field.items, root, deep + 1)}
  if (field.type === 'boolean') return {'ui:widget': 'checkbox'}
  if (field.format === 'password') return {'ui:widget': 'password'}
  if (field.enum && field.enum.length <= 4) return {'ui:widget': 'radio'}
  if (field.type === 'string' && !field.enum && isLong(name, field))
    return {'ui:widget': 'textarea', 'ui:options': {code: CODE.test(name)}}
  return {}
}

function isLong(name: string, field: Schema): boolean {
  if (field.format && field.format !== 'textarea') return false
  return LONG.test(name) || field.format === 'textarea' || ((field.maxLength as number | undefined) ?? 0) >= 4000
}

/** What a reference to `$defs` stands for, or the schema itself. */
function resolved(field: Schema, root: Schema): Schema {
  return root.$defs?.[field.$ref?.replace('#/$defs/', '') ?? ''] ?? field
}

/** Objects and unions that no list of fields describes: they are entered as JSON. */
function isFreeForm(field: Schema, root: Schema): boolean {
  const target = resolved(field, root)
  if (target.properties || target.enum || 'const' in target) return false
  if (target.anyOf || target.oneOf) return true
  if (target.type === 'array') return !isSchema(target.items) || isFreeForm(target.items, root)
  return target.type === 'object' || target.type === undefined || Array.isArray(target.type)
}

const isSchema = (value: unknown): value is Schema => typeof value === 'object' && value !== null
const isBinary = (field: Schema): boolean => field.type === 'string' && field.format === 'binary'
const isBinaryList = (field: Schema): boolean => isSchema(field.items) && isBinary(field.items)
const isNull = (schema: Schema): boolean => schema.type === 'null'

function withoutNull(schema: Schema): Schema {
  if (!schema.anyOf) return schema
  const kinds = schema.anyOf.filter((kind) => !isNull(kind))
  const files = kinds.find(isBinaryList) ?? kinds.find(isBinary)
  const only = files ?? (kinds.length === 1 ? kinds[0] : undefined)
  const {anyOf: _, ...outer} = schema
  if (outer.default === null) delete outer.default
  return only ? {...only, ...outer} : {...outer, anyOf: kinds}
}

function mapValues<A, B>(record: Record<string, A>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))
}
