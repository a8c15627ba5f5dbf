// A field for files, dropped or chosen. The files are kept outside the form's data, which is compared and copied as JSON.
import type {WidgetProps} from '@rjsf/utils'
import {type DragEvent, useRef, useState} from 'react'
import type {Schema} from '../api'
import {bytes} from '../format'
import {Icon} from '../icons'
import type {Files} from './input'
import {accepted} from './schema'

/** The part of the form's context that the file fields use. */
export interface FileContext {
  files: Files
  choose: (name: string, files: readonly File[]) => void
}

export function FileWidget({id, name, disabled, registry, schema, rawErrors}: WidgetProps) {
  const {files, choose} = registry.formContext as FileContext
  const input = useRef<HTMLInputElement>(null)
  const [dragging, setDragging] = useState(false)
  const multiple = schema.type === 'array'
  const current = files[name] ?? []
  const add = (list: FileList | null): void => {
    const added = [...(list ?? [])]
    if (added.length) choose(name, multiple ? [...current, ...added] : added.slice(0, 1))
  }
  const drop = (event: DragEvent): void => {
    event.preventDefault()
    setDragging(false)
    add(event.dataTransfer.files)
  }
  return (
    <div
      role="group"
      aria-labelledby={`${id}-label`}
      className={`drop ${dragging ? 'drop-over' : ''}`}
      onDragOver={(event) => {
        event.preventDefault() // otherwise the browser opens the file
        setDragging(true)
      }}
      onDragLeave={() => setDragging(false)}
      onDrop={drop}
    >
      <input
        ref={input}
        type="file"
        id={id}
        className="visually-hidden"
        multiple={multiple}
        disabled={disabled}
        accept={accepted(schema as Schema)}
        aria-labelledby={`${id}-label ${id}-hint`}
        aria-invalid={!!rawErrors?.length}
        aria-describedby={`${id}-help ${id}-errors`}
        onChange={(event) => {
          add(event.target.files)
          event.target.value = '' // so that the same file can be chosen again
        }}
      />
      <label htmlFor={id} className="drop-target">
        <Icon name="upload" />
        <span id={`${id}-hint`}>
          Drop {multiple ? 'files' : 'a file'} here, or <u>choose {multiple ? 'them' : 'one'}</u>
        </span>
      </label>
      {current.length > 0 && (
        <ul className="drop-files">
          {current.map((file, index) => (
            <li key={`${file.name}-${index}`}>
              <Icon name="file" />
              <span className="drop-name">{file.name}</span>
              <span className="drop-size">{bytes(file.size)}</span>
              <button
                type="button"
                className="button button-icon"
                aria-label={`Remove ${file.name}`}
                onClick={() => {
                  choose(
                    name,
                    current.filter((_, at) => at !== index),
                  )
                  input.current?.focus()
                }}
              >
                <Icon name="close" />
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}
