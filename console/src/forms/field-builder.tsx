// A list of named fields, which makes a JSON Schema of an object.
import type {FieldProps} from '@rjsf/utils'
import {useRef, useState} from 'react'
import type {Schema} from '../api'
import {Icon} from '../icons'
import {FIELD_TYPES, type FieldType, fieldsOf, isNested, type NamedField, schemaOf} from './schema-fields'

type Props = Pick<FieldProps, 'schema' | 'formData' | 'disabled' | 'rawErrors'> & {
  id: string
  change: (value: unknown) => void
}

export function FieldBuilder({id, schema, formData, change, disabled, rawErrors}: Props) {
  const [fields, setFields] = useState(() => fieldsOf(formData))
  if (!fields)
    return <p className="field-note">This schema has more than a list of fields can show. Edit it as JSON.</p>
  const set = (next: NamedField[]): void => {
    setFields(next)
    change(schemaOf(next))
  }
  const described = {
    'aria-invalid': rawErrors?.length ? true : undefined,
    'aria-describedby': `${id}-help ${id}-errors`,
  }
  const example = fieldsOf((schema as Schema).examples?.[0])
  return <Fields id={id} fields={fields} set={set} disabled={disabled} example={example} described={described} />
}

interface FieldsProps {
  id: string
  /** What the numbers of its fields begin with: `2.` in the second field. */
  prefix?: string
  fields: readonly NamedField[]
  set: (fields: NamedField[]) => void
  disabled?: boolean
  example?: NamedField[]
  /** What describes the button that adds a field. */
  described?: Record<string, unknown>
}

function Fields({id, prefix = '', fields, set, disabled, example, described}: FieldsProps) {
  const list = useRef<HTMLDivElement>(null)
  const focus = (selector: string): void =>
    void requestAnimationFrame(() => [...(list.current?.querySelectorAll<HTMLElement>(selector) ?? [])].at(-1)?.focus())
  const add = (): void => {
    set([...fields, {name: '', type: 'text', description: ''}])
    focus('.builder-name')
  }
  return (
    <div className="builder" ref={list}>
      {fields.map((field, at) => (
        <Row
          key={at}
          id={`${id}-${at}`}
          number={`${prefix}${at + 1}`}
          field={field}
          twice={fields.some((other, place) => place < at && other.name.trim() === field.name.trim() && !!field.name)}
          disabled={disabled}
          change={(changed) => set(fields.with(at, changed))}
          remove={() => {
            set(fields.toSpliced(at, 1))
            focus('.builder-add')
          }}
        />
      ))}
      <div className="examples">
        <button
          type="button"
          id={id}
          className="button button-quiet button-small builder-add"
          disabled={disabled}
          aria-label={prefix ? `Add a field to field ${prefix.slice(0, -1)}` : undefined}
          {...described}
          onClick={add}
        >
          <Icon name="plus" /> Add a field
        </button>
        {fields.length === 0 && example && (
          <button
            type="button"
            className="chip"
            onClick={() => {
              set(example)
              focus('.builder-name')
            }}
          >
            Use the example
          </button>
        )}
      </div>
    </div>
  )
}

interface RowProps {
  id: string
  /** Its place: `2`, or `2.1` for the first field of that. */
  number: string
  field: NamedField
  /** Whether an earlier field has the same name. */
  twice: boolean
  disabled?: boolean
  change: (field: NamedField) => void
  remove: () => void
}

function Row({id, number, field, twice, disabled, change, remove}: RowProps) {
  return (
    <div className="builder-row" role="group" aria-label={`Field ${number}`}>
      <input
        className="input builder-name"
        value={field.name}
        placeholder="Name"
        aria-label={`Name of field ${number}`}
        aria-invalid={twice}
        aria-describedby={twice ? `${id}-twice` : undefined}
        spellCheck={false}
        disabled={disabled}
        onChange={(event) => change({...field, name: event.target.value})}
      />
      <select
        className="input input-select"
        value={field.type}
        aria-label={`Type of field ${number}`}
        disabled={disabled}
        onChange={(event) => change({...field, type: event.target.value as FieldType})}
      >
        {FIELD_TYPES.map(([type, label]) => (
          <option key={type} value={type}>
            {label}
          </option>
        ))}
      </select>
      <input
        className="input builder-description"
        value={field.description}
        placeholder="What it is"
        aria-label={`Description of field ${number}`}
        disabled={disabled}
        onChange={(event) => change({...field, description: event.target.value})}
      />
      <button type="button" className="button button-icon" aria-label={`Remove field ${number}`} onClick={remove}>
        <Icon name="close" />
      </button>
      {field.type === 'choice' && (
        <input
          className="input builder-more"
          value={field.choices ?? ''}
          placeholder="Values, with commas between them"
          aria-label={`Values of field ${number}`}
          disabled={disabled}
          onChange={(event) => change({...field, choices: event.target.value})}
        />
      )}
      {isNested(field.type) && (
        <div className="builder-more">
          <Fields
            id={`${id}-fields`}
            prefix={`${number}.`}
            fields={field.fields ?? []}
            set={(fields) => change({...field, fields})}
            disabled={disabled}
          />
        </div>
      )}
      {twice && (
        <p className="field-note" id={`${id}-twice`}>
          Another field has this name.
        </p>
      )}
    </div>
  )
}
