// A JSON Schema of an object as a list of fields, for those who name fields without writing a schema.
import type {Schema} from '../api'
import {isObject} from '../values/shapes'

export interface NamedField {
  name: string
  type: FieldType
  description: string
  /** The values of a choice, with commas between them. */
  choices?: string
  /** The fields of an object, or of each object in a list. */
  fields?: NamedField[]
}

const PLAIN = {
  text: {type: 'string'},
  number: {type: 'number'},
  integer: {type: 'integer'},
  boolean: {type: 'boolean'},
  date: {type: 'string', format: 'date'},
  texts: {type: 'array', items: {type: 'string'}},
  numbers: {type: 'array', items: {type: 'number'}},
} as const

type PlainType = keyof typeof PLAIN
export type FieldType = PlainType | 'choice' | 'object' | 'objects'

export const FIELD_TYPES: readonly (readonly [FieldType, string])[] = [
  ['text', 'Text'],
  ['number', 'Number'],
  ['integer', 'Whole number'],
  ['boolean', 'Yes or no'],
  ['date', 'Date'],
  ['choice', 'One of'],
  ['texts', 'List of texts'],
  ['numbers', 'List of numbers'],
  ['object', 'Object'],
  ['objects', 'List of objects'],
]

/** Whether a field has fields of its own. */
export const isNested = (type: FieldType): boolean => type === 'object' || type === 'objects'

/** The schema of the fields that have a name; undefined without any. */
export function schemaOf(fields: readonly NamedField[]): Schema | undefined {
  return fields.some(({name}) => name.trim()) ? objectOf(fields) : undefined
}

function objectOf(fields: readonly NamedField[]): Schema {
  const named = fields.filter(({name}) => name.trim())
  const properties = named.map((field): [string, Schema] => [
    field.name.trim(),
    {...typeOf(field), ...(field.description && {description: field.description})},
  ])
  return {type: 'object', properties: Object.fromEntries(properties)}
}

function typeOf({type, choices = '', fields = []}: NamedField): Schema {
  if (type === 'object') return objectOf(fields)
  if (type === 'objects') return {type: 'array', items: objectOf(fields)}
  if (type !== 'choice') return PLAIN[type] as Schema
  const values = choicesOf(choices)
  return values.length ? {type: 'string', enum: values} : {type: 'string'}
}

const choicesOf = (text: string): string[] => [...new Set(text.split(',').map((each) => each.trim()))].filter(Boolean)

/** The fields of a schema, or undefined where a list of fields would lose a part of it. */
export function fieldsOf(schema: unknown): NamedField[] | undefined {
  if (schema === undefined) return []
  if (!isObject(schema) || !isObject(schema.properties)) return undefined
  if (Object.keys(schema).some((key) => key !== 'type' && key !== 'properties')) return undefined
  const fields = Object.entries(schema.properties).map(([name, property]) => fieldOf(name, property))
  return fields.every((field) => field !== undefined) ? fields : undefined
}

function fieldOf(name: string, property: unknown): NamedField | undefined {
  if (!isObject(property)) return undefined
  const {description = '', ...rest} = property
  const found = kindOf(rest)
  return found && typeof description === 'string' ? {name, description, ...found} : undefined
}

function kindOf(schema: Record<string, unknown>): Pick<NamedField, 'type' | 'choices' | 'fields'> | undefined {
  const plain = (Object.keys(PLAIN) as PlainType[]).find((type) => sameMembers(PLAIN[type], schema))
  if (plain) return {type: plain}
  const values = schema.enum
  if (Array.isArray(values)) {
    const choices = values.join(', ')
    return sameMembers({type: 'string', enum: choicesOf(choices)}, schema) ? {type: 'choice', choices} : undefined
  }
  const list = schema.type === 'array' && isObject(schema.items) && sameMembers(Object.keys(schema).sort(), LIST)
  const fields = schema.type === 'object' || list ? fieldsOf(list ? schema.items : schema) : undefined
  return fields && {type: list ? 'objects' : 'object', fields}
}

const LIST = ['items', 'type']

/** Whether a field holds a JSON Schema of an object: its example is one. */
export const holdsSchema = (field: Schema): boolean => {
  const example = field.examples?.[0]
  return isObject(example) && example.type === 'object' && isObject(example.properties)
}

const sameMembers = (one: unknown, other: unknown): boolean => sorted(one) === sorted(other)
const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, each) => (isObject(each) ? Object.fromEntries(Object.entries(each).sort()) : each))
