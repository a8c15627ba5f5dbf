// The picture of a page, which is a file of its run, and where tables, pairs and fields stand on it.
import {createContext, useContext, useEffect, useRef, useState, useSyncExternalStore} from 'react'
import {apiKey, fetchFile, fileUrl, headersOf} from '../api'
import {label as labelOf} from '../format'
import {isObject, type JsonObject} from '../values/shapes'

/** The id of the run whose files are shown. */
export const FilesOf = createContext<string | undefined>(undefined)

/** Whether a page names a file that a browser shows as a picture; what else a run hands over is only downloaded. */
export const namesPicture = (name: unknown): name is string =>
  typeof name === 'string' && /^[^/:]+\.(png|jpe?g|webp|gif)$/i.test(name)

/** The URL of a file of the run for an `<img>`: with a key or a token the file is fetched, once it is `wanted`. */
function useFile(name: string, wanted = true): string | undefined {
  const run = useContext(FilesOf)
  const secret = useSyncExternalStore(apiKey.subscribe, () => (run ? headersOf(run).Authorization : undefined))
  const [fetched, setFetched] = useState<string>()
  useEffect(() => {
    if (!run || !secret || !wanted) return
    const controller = new AbortController()
    let made: string | undefined
    const show = async () => {
      made = await fetchFile(run, name, controller.signal)
      if (controller.signal.aborted) URL.revokeObjectURL(made)
      else setFetched(made)
    }
    show().catch(() => {}) // the picture is missing then, and the text is there
    return () => {
      controller.abort()
      setFetched(undefined)
      if (made) URL.revokeObjectURL(made)
    }
  }, [run, name, secret, wanted])
  return secret ? fetched : run && fileUrl(run, name)
}

/** The picture on the button of a page, loaded when the button comes into view: there may be thousands. */
export function SmallPicture({name}: {name: string}) {
  const place = useRef<HTMLSpanElement>(null)
  const [seen, setSeen] = useState(false)
  const url = useFile(name, seen)
  useEffect(() => {
    if (!place.current) return
    const observer = new IntersectionObserver((entries) => {
      if (entries.some(({isIntersecting}) => isIntersecting)) setSeen(true)
    })
    observer.observe(place.current)
    return () => observer.disconnect()
  }, [])
  return (
    <span ref={place} className="page-button-picture">
      {seen && url && <img src={url} alt="" decoding="async" />}
    </span>
  )
}

type Box = readonly [left: number, top: number, right: number, bottom: number]

interface Place {
  kind: 'table' | 'pair' | 'field'
  label: string
  box: Box
}

/** Where the values of the run's fields stand, by page. */
export const FieldsOf = createContext<ReadonlyMap<number, readonly Place[]>>(new Map())

/** The page as it looks, with a frame around each table, pair and field. */
export function PagePicture({page}: {page: JsonObject & {page: number}}) {
  const url = useFile(String(page.thumbnail))
  const fields = useContext(FieldsOf).get(page.page) ?? []
  const [chosen, setChosen] = useState<string>()
  const places = [...placesOn(page), ...fields]
  const kinds = new Set(places.map(({kind}) => kind))
  const {width, height} = page
  return (
    <figure className="page-picture">
      <div className="page-picture-sheet">
        {url && <img src={url} alt={`Page ${page.page} as it looks`} />}
        {places.length > 0 && (
          <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
            {places.map(({kind, label, box: [left, top, right, bottom]}, at) => (
              <rect
                key={at}
                className={`place place-${kind} ${kind === 'field' && label === chosen ? 'place-chosen' : ''}`}
                x={left}
                y={top}
                width={right - left}
                height={bottom - top}
              >
                <title>{label}</title>
              </rect>
            ))}
          </svg>
        )}
      </div>
      {kinds.size > 0 && (
        <figcaption>
          {kinds.has('table') && <span className="place-name place-table">Tables</span>}
          {kinds.has('pair') && <span className="place-name place-pair">Pairs</span>}
          {kinds.has('field') && <span className="place-name place-field">Fields</span>}
        </figcaption>
      )}
      {fields.length > 0 && <FieldNames fields={fields} chosen={chosen} choose={setChosen} />}
    </figure>
  )
}

interface FieldNamesProps {
  fields: readonly Place[]
  chosen: string | undefined
  choose: (label: string) => void
}

/** The names of the fields on a page: the frame of the last one that was pointed at, or had the focus, stands out. */
function FieldNames({fields, chosen, choose}: FieldNamesProps) {
  return (
    <ul className="field-names" aria-label="Fields on this page">
      {[...new Set(fields.map(({label}) => label))].map((label) => (
        <li key={label}>
          <button
            type="button"
            aria-pressed={label === chosen}
            onFocus={() => choose(label)}
            onMouseEnter={() => choose(label)}
            onClick={() => choose(label)}
          >
            {label}
          </button>
        </li>
      ))}
    </ul>
  )
}

/** The places of the page's tables and pairs that have a box, in points from its top left corner. */
export function placesOn(page: JsonObject): Place[] {
  if (typeof page.width !== 'number' || typeof page.height !== 'number') return []
  const tables = objects(page.tables).map((table, at) => place('table', `Table ${at + 1}`, table.box))
  const pairs = objects(page.pairs).map((pair) => place('pair', String(pair.key ?? ''), pair.box))
  return [...tables, ...pairs].filter((each) => each !== undefined)
}

/** The places of a run's fields by page: `result` has their evidence by JSON Pointer (RFC 6901). */
export function fieldPlaces(result: unknown): ReadonlyMap<number, readonly Place[]> {
  const places = new Map<number, Place[]>()
  const evidence = isObject(result) && isObject(result.evidence) ? result.evidence : {}
  for (const [pointer, entry] of Object.entries(evidence))
    for (const {page, box} of isObject(entry) ? objects(entry.boxes) : []) {
      const found = place('field', fieldName(pointer), box)
      if (!found || typeof page !== 'number') continue
      places.set(page, [...(places.get(page) ?? []), found])
    }
  return places
}

/** `Items 1, name` for `/items/0/name`. */
function fieldName(pointer: string): string {
  const parts = pointer.split('/').slice(1)
  const names = parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  const joined = names.reduce((name, part) => (/^\d+$/.test(part) ? `${name} ${Number(part) + 1}` : `${name}, ${part}`))
  return labelOf(joined)
}

const objects = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : [])

function place(kind: Place['kind'], label: string, box: unknown): Place | undefined {
  const isBox = Array.isArray(box) && box.length === 4 && box.every((side) => Number.isFinite(side))
  return isBox && box[0] <= box[2] && box[1] <= box[3] ? {kind, label, box: box as unknown as Box} : undefined
}
