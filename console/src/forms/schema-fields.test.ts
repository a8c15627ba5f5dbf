import {expect, test} from 'vitest'
import {fieldsOf, type NamedField, schemaOf} from './schema-fields'

const fields: NamedField[] = [
  {name: 'number', type: 'text', description: 'The number of the invoice'},
  {name: 'paid on', type: 'date', description: ''},
  {name: 'total', type: 'number', description: ''},
  {name: 'references', type: 'texts', description: ''},
]

test('the schema of fields gives the same fields', () => {
  expect(fieldsOf(schemaOf(fields))).toEqual(fields)
  expect(schemaOf(fields)?.properties?.['paid on']).toEqual({type: 'string', format: 'date'})
})

test('fields without a name are left out, and none makes no schema', () => {
  const unnamed: NamedField = {name: ' ', type: 'text', description: 'x'}
  expect(schemaOf([unnamed])).toBeUndefined()
  expect(schemaOf([...fields, unnamed])).toEqual(schemaOf(fields))
  expect(fieldsOf(undefined)).toEqual([])
})

test.each([
  ['a text', '{'],
  ['another member', {type: 'object', properties: {}, required: ['total']}],
  ['an object in an object', {type: 'object', properties: {buyer: {type: 'object', properties: {}}}}],
  ['a bound', {type: 'object', properties: {total: {type: 'number', minimum: 0}}}],
])('%s is no list of fields', (_, schema) => {
  expect(fieldsOf(schema)).toBeUndefined()
})
