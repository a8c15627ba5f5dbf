// The form library's validator, which it needs to choose a branch of a schema for some data.
//
// Its default one compiles schemas with `new Function`, which the page's Content-Security-Policy forbids; this one
// interprets them. Only the service validates inputs, so that two validators cannot disagree. Patterns and formats count
// there alone: a question may come from another service, and the browser's patterns backtrack.
import {type Schema, Validator} from '@cfworker/json-schema'
import type {RJSFSchema, ValidatorType} from '@rjsf/utils'
import {createElement, Fragment} from 'react'

/** Replaces the form library's submit button: the forms have their own. */
export const NO_BUTTON = createElement(Fragment)

export const validator: ValidatorType = {
  validateFormData: () => ({errors: [], errorSchema: {}}),
  rawValidation: () => ({errors: []}),
  isValid(schema: RJSFSchema, data: unknown, root: RJSFSchema): boolean {
    const complete = root.$defs && !schema.$defs ? {...schema, $defs: root.$defs} : schema
    try {
      return new Validator(withoutPatterns(complete) as Schema, '2020-12').validate(data).valid
    } catch {
      return false // an invalid schema, such as one with a dangling reference
    }
  },
}

function withoutPatterns(schema: RJSFSchema): unknown {
  const isPattern = (name: string, value: unknown): boolean =>
    name === 'patternProperties' || ((name === 'pattern' || name === 'format') && typeof value === 'string')
  return JSON.parse(JSON.stringify(schema, (name, value) => (isPattern(name, value) ? undefined : value)))
}
