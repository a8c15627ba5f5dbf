// The form of a JSON Schema: the fields alone, which whoever shows them submits, and the service checks.
import Form from '@rjsf/core/lib/components/Form.js'
import type {ErrorSchema, RJSFSchema} from '@rjsf/utils'
import {useMemo} from 'react'
import type {Schema} from '../api'
import type {FileContext} from './file'
import type {Values} from './input'
import {uiFor} from './schema'
import {fields, templates, widgets} from './theme'
import {NO_BUTTON, validator} from './validator'

const NO_FILES: FileContext = {files: {}, choose: () => undefined}

type Props = {
  schema: Schema
  values: Values
  setValues: (values: Values) => void
  errors: ErrorSchema
  idPrefix: string
  files?: FileContext
}

export function SchemaForm({schema, values, setValues, errors, idPrefix, files = NO_FILES}: Props) {
  const ui = useMemo(() => uiFor(schema), [schema])
  return (
    <Form
      tagName="div"
      schema={schema as RJSFSchema}
      uiSchema={ui}
      formData={values}
      formContext={files}
      validator={validator}
      noValidate
      showErrorList={false}
      extraErrors={errors}
      experimental_componentUpdateStrategy="always"
      idPrefix={idPrefix}
      onChange={(change) => setValues(change.formData as Values)}
      templates={templates}
      widgets={widgets}
      fields={fields}
    >
      {NO_BUTTON}
    </Form>
  )
}
