import {expect, test} from 'vitest'
import type {Schema} from '../api'
import {valuesOf} from './input'

const schema: Schema = {
  properties: {
    pages: {type: 'string'},
    count: {type: 'integer', default: 3},
    document: {type: 'array', items: {type: 'string', format: 'binary'}},
    password: {type: 'string'},
    login: {type: 'object'},
    prompt: {type: 'string'},
  },
}

test('a form is filled in from the input of an earlier run', () => {
  const input = {pages: '1-2', count: 3, document: null, password: null, other: 'unknown to the form'}
  expect(valuesOf(input, schema)).toEqual({values: {pages: '1-2', count: 3}, missing: []})
})

test('files, secrets and what was too large have to be given again', () => {
  const input = {
    document: {name: 'a.pdf', size: 12},
    password: '**********',
    login: {user: 'ann', password: '**********'},
    prompt: {omitted: 20_002},
    pages: '1',
  }
  const missing = ['document', 'password', 'login', 'prompt']
  expect(valuesOf(input, schema)).toEqual({values: {pages: '1'}, missing})
})

test('without an input the form is empty', () => {
  for (const input of [undefined, null, 'text', {omitted: 99_999}])
    expect(valuesOf(input, schema)).toEqual({values: {}, missing: []})
})
