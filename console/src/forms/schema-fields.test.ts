import {expect, test} from 'vitest'
import {fieldsOf, type NamedField, schemaOf} from './schema-fields'

const fields: NamedField[] = [
  {name: 'number', type: 'text', description: 'The number of the invoice'},
  {name: 'paid on', type: 'date', description: ''},
  {name: 'total', type: 'number', description: ''},
  {name: 'references', type: 'texts', description: ''},
  {name: 'currency', type: 'choice', description: '', choices: 'EUR, USD'},
  {name: 'buyer', type: 'object', description: 'Who pays', fields: [{name: 'name', type: 'text', description: ''}]},
  {name: 'items', type: 'objects', description: '', fields: [{name: 'sizes', type: 'numbers', description: ''}]},
]

test('the schema of fields gives the same fields', () => {
  expect(fieldsOf(schemaOf(fields))).toEqual(fields)
  const {properties = {}} = schemaOf(fields) ?? {}
  expect(properties['paid on']).toEqual({type: 'string', format: 'date'})
  expect(properties.currency).toEqual({type: 'string', enum: ['EUR', 'USD']})
  const object = {type: 'object', properties: {name: {type: 'string'}}, description: 'Who pays'}
  expect(properties.buyer).toEqual(object)
  expect(properties.items).toMatchObject({type: 'array', items: {type: 'object'}})
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
  ['an object with bounds', {type: 'object', properties: {buyer: {type: 'object', properties: {}, required: ['a']}}}],
  [
    'a list of a length',
    {type: 'object', properties: {a: {type: 'array', maxItems: 3, items: {type: 'object', properties: {}}}}},
  ],
  ['a list of choices', {type: 'object', properties: {a: {type: 'array', items: {type: 'string', enum: ['a']}}}}],
  ['a choice with a comma', {type: 'object', properties: {a: {type: 'string', enum: ['a, b', 'c']}}}],
  ['a choice of numbers', {type: 'object', properties: {a: {enum: [1, 2]}}}],
  [
    'a part that is none',
    {type: 'object', properties: {a: {type: 'object', properties: {b: {type: ['string', 'null']}}}}},
  ],
  ['a bound', {type: 'object', properties: {total: {type: 'number', minimum: 0}}}],
])('%s is no list of fields', (_, schema) => {
  expect(fieldsOf(schema)).toBeUndefined()
})
