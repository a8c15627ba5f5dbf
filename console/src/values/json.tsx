// Code, and JSON as it is, with what a reader would not see of it escaped.
import {visible} from '../format'

export function Code({text, label}: {text: string; label: string}) {
  return (
    <pre className="raw" tabIndex={0} role="group" aria-label={label}>
      {visible(text)}
    </pre>
  )
}

export function Json({value}: {value: unknown}) {
  return <Code text={JSON.stringify(value, null, 2)} label="JSON" />
}
