// The form library's templates and widgets in the console's design.
import type {
  ArrayFieldItemTemplateProps,
  ArrayFieldTemplateProps,
  BaseInputTemplateProps,
  FieldTemplateProps,
  IconButtonProps,
  ObjectFieldTemplateProps,
  RegistryFieldsType,
  RegistryWidgetsType,
  TemplatesType,
  WidgetProps,
} from '@rjsf/utils'
import {getInputProps} from '@rjsf/utils'
import type {ChangeEvent} from 'react'
import {Icon} from '../icons'
import {FileWidget} from './file'
import {JsonField, SchemaField} from './json-field'

const describedBy = (id: string): string => `${id}-help ${id}-errors`

// Templates: the layout around a field

function FieldTemplate(props: FieldTemplateProps) {
  const {id, label, children, rawErrors, rawDescription, hidden, required, displayLabel, schema, uiSchema} = props
  if (hidden) return <div hidden>{children}</div>
  if (id === 'root' && schema.type === 'object') return <>{children}</>
  const toggle = uiSchema?.['ui:widget'] === 'checkbox'
  const custom = !!uiSchema?.['ui:field']
  const list = schema.type === 'array' && !custom
  const group =
    list || ['radio', 'file'].includes(String(uiSchema?.['ui:widget'])) || uiSchema?.['ui:field'] === 'schema'
  return (
    <div className={`field ${wide(props) ? 'field-wide' : ''} ${rawErrors?.length ? 'field-invalid' : ''}`}>
      {(displayLabel || custom || list) && !toggle && (
        <FieldLabel id={id} label={label} optional={!required && schema.default === undefined} group={group} />
      )}
      {children}
      {rawDescription && (custom || schema.type !== 'object') && (
        <p className="field-help" id={`${id}-help`}>
          <Description text={rawDescription} />
        </p>
      )}
      {rawErrors?.length ? (
        <ul className="field-errors" id={`${id}-errors`}>
          {rawErrors.map((message) => (
            <li key={message}>
              <Icon name="alert" /> {message}
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  )
}

/** A text in which backticks mark code. */
function Description({text}: {text: string}) {
  return text.split('`').map((part, at) => (at % 2 ? <code key={at}>{part}</code> : part))
}

/** The label of a control, or of a group of controls: a `label` element belongs to one control only. */
function FieldLabel({id, label, optional, group}: {id: string; label: string; optional: boolean; group: boolean}) {
  const note = optional && <span className="field-optional">optional</span>
  return group ? (
    <div className="field-label" id={`${id}-label`}>
      {label} {note}
    </div>
  ) : (
    <label className="field-label" htmlFor={id}>
      {label} {note}
    </label>
  )
}

function wide({uiSchema, schema}: FieldTemplateProps): boolean {
  const widget = uiSchema?.['ui:widget']
  return (
    widget === 'textarea' ||
    widget === 'file' ||
    widget === 'files' ||
    !!uiSchema?.['ui:field'] ||
    schema.type === 'object' ||
    schema.type === 'array'
  )
}

function ObjectFieldTemplate({fieldPathId, title, description, properties, schema}: ObjectFieldTemplateProps) {
  const fields = properties.filter((property) => !property.hidden).map((property) => property.content)
  if (fieldPathId.$id === 'root') return <div className="fields">{fields}</div>
  return (
    <fieldset className="field-group" id={fieldPathId.$id}>
      <legend>{title}</legend>
      {(description ?? schema.description) && <p className="field-help">{description ?? schema.description}</p>}
      <div className="fields">{fields}</div>
    </fieldset>
  )
}

function ArrayFieldTemplate({items, canAdd, onAddClick, fieldPathId, disabled}: ArrayFieldTemplateProps) {
  return (
    <div className="field-list" role="group" aria-labelledby={`${fieldPathId.$id}-label`} id={fieldPathId.$id}>
      {items}
      {canAdd && (
        <button type="button" className="button button-quiet button-small" onClick={onAddClick} disabled={disabled}>
          <Icon name="plus" /> Add an entry
        </button>
      )}
    </div>
  )
}

function ArrayFieldItemTemplate({children, buttonsProps, index}: ArrayFieldItemTemplateProps) {
  return (
    <div className="field-list-item">
      <div>{children}</div>
      {buttonsProps.hasRemove && (
        <button
          type="button"
          className="button button-icon"
          onClick={(event) => {
            event.currentTarget.closest('.field-list')?.querySelector<HTMLElement>(':scope > .button')?.focus()
            buttonsProps.onRemoveItem(event)
          }}
          aria-label={`Remove entry ${index + 1}`}
        >
          <Icon name="close" />
        </button>
      )}
    </div>
  )
}

// Widgets: the controls

function BaseInputTemplate(props: BaseInputTemplateProps) {
  const {id, htmlName, value, disabled, readonly, onChange, options, schema, type, placeholder, rawErrors, required} =
    props
  const input = getInputProps(schema, type, options)
  const examples = (schema.examples ?? []) as unknown[]
  return (
    <input
      {...input}
      id={id}
      name={htmlName ?? id}
      className={`input ${input.type === 'number' ? 'input-number' : ''}`}
      value={value ?? ''}
      disabled={disabled}
      readOnly={readonly}
      placeholder={placeholder || (examples.length ? `e.g. ${String(examples[0])}` : undefined)}
      autoComplete={input.type === 'password' ? 'off' : undefined}
      spellCheck={false}
      aria-required={required}
      aria-invalid={!!rawErrors?.length}
      aria-describedby={describedBy(id)}
      onChange={(event: ChangeEvent<HTMLInputElement>) =>
        onChange(event.target.value === '' ? options.emptyValue : event.target.value)
      }
    />
  )
}

function TextareaWidget({
  id,
  htmlName,
  value,
  disabled,
  readonly,
  onChange,
  options,
  schema,
  rawErrors,
  required,
}: WidgetProps) {
  const examples = ((schema.examples ?? []) as unknown[]).filter((example) => typeof example === 'string')
  return (
    <>
      <textarea
        id={id}
        name={htmlName ?? id}
        className={`input input-area ${options.code ? 'input-code' : ''}`}
        value={value ?? ''}
        rows={4}
        disabled={disabled}
        readOnly={readonly}
        aria-required={required}
        aria-invalid={!!rawErrors?.length}
        aria-describedby={describedBy(id)}
        onChange={(event) => onChange(event.target.value === '' ? options.emptyValue : event.target.value)}
      />
      {examples.length > 0 && (
        <div className="examples">
          <span>Examples</span>
          {examples.slice(0, 4).map((example) => (
            <button type="button" key={example} className="chip" onClick={() => onChange(example)}>
              {example}
            </button>
          ))}
        </div>
      )}
    </>
  )
}

function CheckboxWidget({id, htmlName, value, disabled, onChange, label, rawErrors}: WidgetProps) {
  return (
    <label className="toggle" htmlFor={id}>
      <input
        type="checkbox"
        role="switch"
        aria-checked={value === true}
        id={id}
        name={htmlName ?? id}
        checked={value === true}
        disabled={disabled}
        aria-invalid={!!rawErrors?.length}
        aria-describedby={describedBy(id)}
        onChange={(event) => onChange(event.target.checked)}
      />
      <span className="toggle-track" aria-hidden="true" />
      <span>{label}</span>
    </label>
  )
}

function RadioWidget({id, htmlName, value, disabled, onChange, options, rawErrors}: WidgetProps) {
  return (
    <div
      className="segments"
      role="radiogroup"
      id={id}
      aria-labelledby={`${id}-label`}
      aria-describedby={describedBy(id)}
      aria-invalid={!!rawErrors?.length}
    >
      {options.enumOptions?.map((option) => (
        <label key={String(option.value)} className="segment">
          <input
            type="radio"
            name={htmlName ?? id}
            checked={option.value === value}
            disabled={disabled}
            onChange={() => onChange(option.value)}
          />
          <span>{option.label}</span>
        </label>
      ))}
    </div>
  )
}

/** A checkbox for each choice. */
function CheckboxesWidget({id, htmlName, value, disabled, onChange, options, rawErrors}: WidgetProps) {
  const chosen: unknown[] = Array.isArray(value) ? value : []
  const choices = options.enumOptions ?? []
  const toggle = (choice: unknown): void =>
    onChange(
      choices
        .map((option) => option.value)
        .filter((each) => (each === choice ? !chosen.includes(each) : chosen.includes(each))),
    )
  return (
    <div className="choices" role="group" id={id} aria-labelledby={`${id}-label`} aria-describedby={describedBy(id)}>
      {choices.map((option) => (
        <label key={String(option.value)} className="choice">
          <input
            type="checkbox"
            name={htmlName ?? id}
            checked={chosen.includes(option.value)}
            disabled={disabled}
            aria-invalid={!!rawErrors?.length}
            onChange={() => toggle(option.value)}
          />
          <span>{option.label}</span>
        </label>
      ))}
    </div>
  )
}

function SelectWidget({id, htmlName, value, disabled, onChange, options, required, schema, rawErrors}: WidgetProps) {
  const choices = options.enumOptions ?? []
  const chosen = choices.findIndex((option) => option.value === value)
  return (
    <select
      id={id}
      name={htmlName ?? id}
      className="input input-select"
      value={chosen < 0 ? '' : String(chosen)}
      disabled={disabled}
      aria-required={required}
      aria-invalid={!!rawErrors?.length}
      aria-describedby={describedBy(id)}
      onChange={(event) =>
        onChange(event.target.value === '' ? options.emptyValue : choices[Number(event.target.value)]?.value)
      }
    >
      {(schema.default === undefined || chosen < 0) && <option value="">–</option>}
      {choices.map((option, index) => (
        <option key={String(option.value)} value={String(index)}>
          {option.label}
        </option>
      ))}
    </select>
  )
}

const renderNothing = () => null

export const widgets: RegistryWidgetsType = {
  CheckboxWidget,
  CheckboxesWidget,
  FileWidget,
  RadioWidget,
  SelectWidget,
  TextareaWidget,
  files: FileWidget,
}

export const fields: RegistryFieldsType = {json: JsonField, schema: SchemaField}

export const templates: Partial<Omit<TemplatesType, 'ButtonTemplates'>> & {
  ButtonTemplates?: Partial<TemplatesType['ButtonTemplates']>
} = {
  ArrayFieldItemTemplate,
  ArrayFieldTemplate,
  BaseInputTemplate,
  DescriptionFieldTemplate: renderNothing,
  FieldErrorTemplate: renderNothing, // `FieldTemplate` shows the errors
  FieldTemplate,
  ObjectFieldTemplate,
  ButtonTemplates: {ClearButton: renderNothing as unknown as (props: IconButtonProps) => null},
}
