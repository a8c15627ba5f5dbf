// Code, and JSON as it is.

export function Code({text, label}: {text: string; label: string}) {
  return (
    <pre className="raw" tabIndex={0} role="group" aria-label={label}>
      {text}
    </pre>
  )
}

export function Json({value}: {value: unknown}) {
  return <Code text={JSON.stringify(value, null, 2)} label="JSON" />
}
