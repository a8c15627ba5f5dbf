// A field for files: drop them, paste them, or choose them. The files themselves stay outside the form's data, which is
// compared and copied as JSON.
import type {WidgetProps} from '@rjsf/utils'
import {type DragEvent, useRef, useState} from 'react'
import type {Schema} from '../api'
import {bytes} from '../format'
import {Icon} from '../icons'
import type {Files} from './input'
import {accepted} from './schema'

/** What the form hands to its file fields. */
export interface FileContext {
  files: Files
  choose: (name: string, files: readonly File[]) => void
}

export function FileWidget({id, name, disabled, registry, schema, rawErrors}: WidgetProps) {
  const {files, choose} = registry.formContext as FileContext
  const input = useRef<HTMLInputElement>(null)
  const [over, setOver] = useState(false)
  const several = schema.type === 'array'
  const chosen = files[name] ?? []
  const take = (list: FileList | null): void => {
    const given = [...(list ?? [])]
    if (given.length) choose(name, several ? [...chosen, ...given] : given.slice(0, 1))
  }
  const drop = (event: DragEvent): void => {
    event.preventDefault()
    setOver(false)
    take(event.dataTransfer.files)
  }
  return (
    <div
      role="group"
      aria-labelledby={`${id}-label`}
      className={`drop ${over ? 'drop-over' : ''}`}
      onDragOver={(event) => {
        event.preventDefault() // or else the browser would open the file
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <input
        ref={input}
        type="file"
        id={id}
        className="visually-hidden"
        multiple={several}
        disabled={disabled}
        accept={accepted(schema as Schema)}
        aria-labelledby={`${id}-label ${id}-hint`}
        aria-invalid={!!rawErrors?.length}
        aria-describedby={`${id}-help ${id}-errors`}
        onChange={(event) => {
          take(event.target.files)
          event.target.value = '' // so that the same file can be chosen again
        }}
      />
      <label htmlFor={id} className="drop-target">
        <Icon name="upload" />
        <span id={`${id}-hint`}>
          Drop {several ? 'files' : 'a file'} here, or <u>choose {several ? 'them' : 'one'}</u>
        </span>
      </label>
      {chosen.length > 0 && (
        <ul className="drop-files">
          {chosen.map((file, index) => (
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
                    chosen.filter((_, at) => at !== index),
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
