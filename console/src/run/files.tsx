// The files that a run has handed over, to download; pictures that its pages show are not listed.
import {useContext, useMemo} from 'react'
import {fetchFile, fileUrl, headersOf} from '../api'
import {bytes, number} from '../format'
import {Icon} from '../icons'
import {isObject} from '../values/shapes'
import {FilesOf} from './picture'

interface HandedOver {
  name: string
  type: string
  size: number
}

const MAX_FILES = 100

export function Files({
  events,
  shown,
}: {
  events: readonly {type: string; data: unknown}[]
  shown: ReadonlySet<unknown>
}) {
  const files = useMemo(() => filesIn(events).filter(({name}) => !shown.has(name)), [events, shown])
  if (files.length === 0) return null
  return (
    <section className="card files" aria-label="Files">
      <h2>Files</h2>
      <ul>
        {files.slice(-MAX_FILES).map((file) => (
          <li key={file.name}>
            <FileLink file={file} />
          </li>
        ))}
      </ul>
      {files.length > MAX_FILES && (
        <p className="muted">
          The newest {MAX_FILES} of {number(files.length)} files.
        </p>
      )}
    </section>
  )
}

/** A link; with a key or a token, which a link cannot send, a click fetches the file first. */
function FileLink({file: {name, size, type}}: {file: HandedOver}) {
  const run = useContext(FilesOf)
  if (!run) return <span>{name}</span>
  const save = async () => {
    const made = await fetchFile(run, name)
    Object.assign(document.createElement('a'), {href: made, download: name}).click()
    setTimeout(() => URL.revokeObjectURL(made), 1000)
  }
  return (
    <>
      <a
        href={fileUrl(run, name)}
        download={name}
        onClick={(event) => {
          if (!headersOf(run).Authorization) return
          event.preventDefault()
          void save().catch(() => {})
        }}
      >
        <Icon name="download" /> {name}
      </a>
      <span className="muted">
        {bytes(size)}, {type}
      </span>
    </>
  )
}

/** The files in the events of a run, the newest of each name. */
export function filesIn(events: readonly {type: string; data: unknown}[]): HandedOver[] {
  const files = new Map<string, HandedOver>()
  for (const {type, data} of events)
    if (type === 'file' && isObject(data) && typeof data.name === 'string')
      files.set(data.name, {name: data.name, type: String(data.type ?? ''), size: Number(data.size) || 0})
  return [...files.values()]
}
