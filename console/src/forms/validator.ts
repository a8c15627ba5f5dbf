// What the form library asks of a validator: which branch of a schema some data fits.
//
// Its stock validator compiles schemas with `new Function`, which the page's Content-Security-Policy refuses; this one
// interprets them. Inputs themselves are judged by the service alone, so that there is one opinion on them.
import {type Schema, Validator} from '@cfworker/json-schema'
import type {RJSFSchema, ValidatorType} from '@rjsf/utils'
import {createElement, Fragment} from 'react'

/** In place of the form library's own button: the forms here end in more than that. */
export const NO_BUTTON = createElement(Fragment)

export const validator: ValidatorType = {
  validateFormData: () => ({errors: [], errorSchema: {}}),
  rawValidation: () => ({errors: []}),
  isValid(schema: RJSFSchema, data: unknown, root: RJSFSchema): boolean {
    const whole = root.$defs && !schema.$defs ? {...schema, $defs: root.$defs} : schema
    try {
      return new Validator(whole as Schema, '2020-12').validate(data).valid
    } catch {
      return false // a schema that it cannot read, such as one with a dangling reference
    }
  },
}
