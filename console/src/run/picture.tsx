// The picture of a page, which is a file of its run, and where tables and pairs stand on it.
import {createContext, useContext, useEffect, useRef, useState, useSyncExternalStore} from 'react'
import {apiKey, headers, urlOf} from '../api'
import {isObject, type JsonObject} from '../values/shapes'

/** The id of the run whose files are shown. */
export const FilesOf = createContext<string | undefined>(undefined)

/** Whether a page names a file that a browser shows as a picture; what else a run hands over is only downloaded. */
export const namesPicture = (name: unknown): name is string =>
  typeof name === 'string' && /^[^/:]+\.(png|jpe?g|webp|gif)$/i.test(name)

/** The URL of a file of the run for an `<img>`: with an API key the file is fetched, once it is `wanted`. */
function useFile(name: string, wanted = true): string | undefined {
  const run = useContext(FilesOf)
  const key = useSyncExternalStore(apiKey.subscribe, apiKey.get)
  const [fetched, setFetched] = useState<string>()
  const url = run && urlOf(`runs/${encodeURIComponent(run)}/files/${encodeURIComponent(name)}`)
  useEffect(() => {
    if (!url || !key || !wanted) return
    const controller = new AbortController()
    let made: string | undefined
    const show = async () => {
      const response = await fetch(url, {headers: headers(), signal: controller.signal})
      if (!response.ok) return
      made = URL.createObjectURL(await response.blob())
      if (controller.signal.aborted) URL.revokeObjectURL(made)
      else setFetched(made)
    }
    show().catch(() => {}) // the picture is missing then, and the text is there
    return () => {
      controller.abort()
      setFetched(undefined)
      if (made) URL.revokeObjectURL(made)
    }
  }, [url, key, wanted])
  return key ? fetched : url
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
  kind: 'table' | 'pair'
  label: string
  box: Box
}

/** The page as it looks, with a frame around each table and pair. */
export function PagePicture({page}: {page: JsonObject & {page: number}}) {
  const url = useFile(String(page.thumbnail))
  const places = placesOn(page)
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
                className={`place place-${kind}`}
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
        </figcaption>
      )}
    </figure>
  )
}

/** The places of the page's tables and pairs that have a box, in points from its top left corner. */
export function placesOn(page: JsonObject): Place[] {
  if (typeof page.width !== 'number' || typeof page.height !== 'number') return []
  const tables = objects(page.tables).map((table, at) => place('table', `Table ${at + 1}`, table.box))
  const pairs = objects(page.pairs).map((pair) => place('pair', String(pair.key ?? ''), pair.box))
  return [...tables, ...pairs].filter((each) => each !== undefined)
}

const objects = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : [])

function place(kind: Place['kind'], label: string, box: unknown): Place | undefined {
  const isBox = Array.isArray(box) && box.length === 4 && box.every((side) => Number.isFinite(side))
  return isBox && box[0] <= box[2] && box[1] <= box[3] ? {kind, label, box: box as unknown as Box} : undefined
}
