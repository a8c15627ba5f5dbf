// Fields that are entered as JSON: an object of any members, a list of anything; and a schema, which a list of fields makes.
import type {FieldProps} from '@rjsf/utils'
import {useState} from 'react'
import type {Schema} from '../api'
import {FieldBuilder} from './field-builder'

type Props = Pick<FieldProps, 'schema' | 'formData' | 'disabled' | 'rawErrors' | 'required'> & {
  id: string
  labelledBy?: string
  change: (value: unknown) => void
}

/** A text area for JSON. What is not JSON is kept as it is, and the service refuses it. */
export function JsonText({id, labelledBy, schema, formData, change, disabled, rawErrors, required}: Props) {
  const [text, setText] = useState(() => textOf(formData))
  const [error, setError] = useState<string>()
  const examples = (schema as Schema).examples ?? []
  const edit = (newText: string): void => {
    setText(newText)
    const {value, error} = parseJson(newText)
    setError(error)
    change(error ? newText : value)
  }
  return (
    <>
      <textarea
        id={id}
        className="input input-area input-code"
        value={text}
        rows={4}
        disabled={disabled}
        spellCheck={false}
        placeholder={examples.length ? `e.g. ${JSON.stringify(examples[0])}` : 'JSON'}
        aria-labelledby={labelledBy}
        aria-required={required}
        aria-invalid={!!error || !!rawErrors?.length}
        aria-describedby={`${id}-help ${id}-errors`}
        onChange={(event) => edit(event.target.value)}
      />
      {error && <p className="field-note">{error}</p>}
      {examples.length > 0 && (
        <div className="examples">
          <button type="button" className="chip" onClick={() => edit(JSON.stringify(examples[0], null, 2))}>
            Use the example
          </button>
        </div>
      )}
    </>
  )
}

export function JsonField({fieldPathId, onChange, ...field}: FieldProps) {
  return <JsonText {...field} id={fieldPathId.$id} change={(value) => onChange(value, fieldPathId.path)} />
}

const VIEWS = {list: 'List', json: 'JSON'} as const

/** A schema of an object: as a list of fields, or as JSON. */
export function SchemaField({fieldPathId, onChange, ...field}: FieldProps) {
  const [view, setView] = useState<keyof typeof VIEWS>('list')
  const id = fieldPathId.$id
  const common = {id, change: (value: unknown) => onChange(value, fieldPathId.path)}
  return (
    <div className="schema-field" role="group" aria-labelledby={`${id}-label`}>
      <div className="segments" role="tablist" aria-labelledby={`${id}-label`}>
        {(Object.keys(VIEWS) as (keyof typeof VIEWS)[]).map((each) => (
          <button
            key={each}
            type="button"
            role="tab"
            id={`${id}-tab-${each}`}
            className="segment-tab"
            aria-selected={view === each}
            aria-controls={`${id}-view`}
            tabIndex={view === each ? 0 : -1}
            onClick={() => setView(each)}
            onKeyDown={(event) => {
              if (!['ArrowLeft', 'ArrowRight'].includes(event.key)) return
              const other = each === 'list' ? 'json' : 'list'
              setView(other)
              document.getElementById(`${id}-tab-${other}`)?.focus()
            }}
          >
            {VIEWS[each]}
          </button>
        ))}
      </div>
      <div id={`${id}-view`} className="schema-view" role="tabpanel" aria-labelledby={`${id}-tab-${view}`}>
        {view === 'list' ? (
          <FieldBuilder {...field} {...common} />
        ) : (
          <JsonText {...field} {...common} labelledBy={`${id}-label`} />
        )}
      </div>
    </div>
  )
}

const textOf = (value: unknown): string =>
  value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value, null, 2)

function parseJson(text: string): {value?: unknown; error?: string} {
  if (!text.trim()) return {}
  try {
    return {value: JSON.parse(text)}
  } catch {
    return {error: 'This is not valid JSON.'}
  }
}
