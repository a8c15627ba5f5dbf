import type {RJSFSchema} from '@rjsf/utils'
import {expect, test} from 'vitest'
import {validator} from './validator'

test('a branch is chosen by types, not by patterns', () => {
  const text: RJSFSchema = {type: 'string', pattern: '^(a+)+$', patternProperties: {'^(a+)+$': {}}}
  const properties: RJSFSchema = {properties: {pattern: {type: 'string'}}}
  expect(validator.isValid(text, `${'a'.repeat(100)}!`, text)).toBe(true)
  expect(validator.isValid(text, 5, text)).toBe(false)
  expect(validator.isValid(properties, {pattern: 5}, properties)).toBe(false)
})
