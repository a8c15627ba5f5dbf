// A JSON Schema of an object as a list of fields, for those who name fields without writing a schema.
import type {Schema} from '../api'
import {isObject} from '../values/shapes'

export interface NamedField {
  name: string
  type: FieldType
  description: string
}

const TYPES = {
  text: {type: 'string'},
  number: {type: 'number'},
  integer: {type: 'integer'},
  boolean: {type: 'boolean'},
  date: {type: 'string', format: 'date'},
  texts: {type: 'array', items: {type: 'string'}},
  numbers: {type: 'array', items: {type: 'number'}},
} as const

export type FieldType = keyof typeof TYPES

export const FIELD_TYPES: readonly (readonly [FieldType, string])[] = [
  ['text', 'Text'],
  ['number', 'Number'],
  ['integer', 'Whole number'],
  ['boolean', 'Yes or no'],
  ['date', 'Date'],
  ['texts', 'List of texts'],
  ['numbers', 'List of numbers'],
]

/** The schema of the fields that have a name; undefined without any. */
export function schemaOf(fields: readonly NamedField[]): Schema | undefined {
  const named = fields.filter(({name}) => name.trim())
  if (named.length === 0) return undefined
  const properties = named.map(({name, type, description}): [string, Schema] => [
    name.trim(),
    {...TYPES[type], ...(description && {description})},
  ])
  return {type: 'object', properties: Object.fromEntries(properties)}
}

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
  const found = FIELD_TYPES.find(([type]) => sameMembers(TYPES[type], rest))
  return found && typeof description === 'string' ? {name, type: found[0], description} : undefined
}

/** Whether a field holds a JSON Schema of an object: its example is one. */
export const holdsSchema = (field: Schema): boolean => {
  const example = field.examples?.[0]
  return isObject(example) && example.type === 'object' && isObject(example.properties)
}

const sameMembers = (one: unknown, other: unknown): boolean => sorted(one) === sorted(other)
const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, each) => (isObject(each) ? Object.fromEntries(Object.entries(each).sort()) : each))
