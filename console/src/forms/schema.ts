// An operation's JSON Schema as the form library needs it: without what only validators need, and with a widget for each
// field.
import type {UiSchema} from '@rjsf/utils'
import type {Schema} from '../api'
import {label} from '../format'
import {holdsSchema} from './schema-fields'

/** Names of fields that hold prose or code, and get several lines. */
const LONG = /(^|_)(prompt|question|goal|sql|text|query|message|instructions|system|statement)$/
const MAX_DEPTH = 5
const CODE = /(^|_)(sql|query|statement|code)$/

/**
 * The schema of a form: `anyOf [X, null]`, which is how pydantic writes an optional field, becomes X, and a field for one
 * file or several becomes one for several.
 */
export function formSchema(schema: Schema): Schema {
  const copy: Schema = {...withoutNull(schema)}
  if (copy.properties)
    copy.properties = Object.fromEntries(
      Object.entries(copy.properties).map(([name, field]) => [name, withTitle(name, formSchema(field))]),
    )
  if (copy.$defs) copy.$defs = mapValues(copy.$defs, formSchema)
  if (isSchema(copy.items)) copy.items = formSchema(copy.items)
  return copy
}

/** A field with a label for a title, in place of the one that pydantic makes of the name: `Page Count`. */
function withTitle(name: string, field: Schema): Schema {
  const generated = name.replaceAll('_', ' ').replace(/(^| )\w/g, (first) => first.toUpperCase())
  return field.title === undefined || field.title === generated ? {...field, title: label(name)} : field
}

/** The schema of the form for an answer. An empty schema accepts any JSON: the form asks for text. */
export function answerSchema(schema: Schema | undefined): Schema {
  const form = formSchema(schema ?? {})
  return Object.keys(form).some((key) => !['title', 'description'].includes(key)) ? form : {...form, type: 'string'}
}

/** The widgets of a schema made by `formSchema`. A schema that refers to itself ends at `MAX_DEPTH`. */
export function uiFor(schema: Schema, root = schema, depth = 0): UiSchema {
  const ui: UiSchema = {'ui:submitButtonOptions': {norender: true}}
  const fields = Object.entries(schema.properties ?? {})
  if (depth < MAX_DEPTH) for (const [name, field] of fields) ui[name] = uiOfField(name, field, root, depth)
  // Switches are last, next to each other.
  const isSwitch = ([, field]: [string, Schema]): boolean => field.type === 'boolean'
  ui['ui:order'] = [...fields.filter((each) => !isSwitch(each)), ...fields.filter(isSwitch)].map(([name]) => name)
  return ui
}

/** The types of files for the browser's dialogue, from the `accept` of a field's `json_schema_extra`. */
export const accepted = (schema: Schema): string | undefined =>
  typeof schema.accept === 'string' ? schema.accept : undefined

function uiOfField(name: string, schema: Schema, root: Schema, depth: number): UiSchema {
  const field = resolved(schema, root)
  if (isBinary(field)) return {'ui:widget': 'file'}
  if (isBinaryList(field)) return {'ui:widget': 'files'}
  if (isFreeForm(field, root)) return {'ui:field': holdsSchema(field) ? 'schema' : 'json'}
  if (field.properties) return uiFor(field, root, depth + 1)
  if (isSchema(field.items) && field.items.enum && field.uniqueItems) return {'ui:widget': 'checkboxes'}
  if (field.type === 'array' && isSchema(field.items)) return {items: uiOfField(name, field.items, root, depth + 1)}
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

/** The definition that a `$ref` names, or the schema itself. */
function resolved(field: Schema, root: Schema): Schema {
  return root.$defs?.[field.$ref?.replace('#/$defs/', '') ?? ''] ?? field
}

/** Whether a field is an object or a union without a list of fields: it is entered as JSON. */
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
  const options = schema.anyOf.filter((option) => !isNull(option))
  const files = options.find(isBinaryList) ?? options.find(isBinary)
  const only = files ?? (options.length === 1 ? options[0] : undefined)
  const {anyOf: _, ...outer} = schema
  if (outer.default === null) delete outer.default
  return only ? {...only, ...outer} : {...outer, anyOf: options}
}

function mapValues<A, B>(record: Record<string, A>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))
}
