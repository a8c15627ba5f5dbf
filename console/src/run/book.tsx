// The pages of a document: a shelf of all of them, filling as they are read, and one of them opened.
import {memo, useEffect, useId, useRef, useState} from 'react'
import {number} from '../format'
import {gridOf, isObject, isPicture, type Json} from '../values/shapes'
import {Table} from '../values/table'

type Page = Json & {page: number; text: string}

export function Book({pages, live}: {pages: readonly Page[]; live: boolean}) {
  const [chosen, setChosen] = useState<number>()
  const id = useId()
  // Until somebody chooses, the newest page lies open while they come, and the first one afterwards.
  const open = pages.find(({page}) => page === chosen) ?? (live ? pages.at(-1) : pages[0])
  if (!open) return null
  const step = (by: number): void => {
    const at = pages.indexOf(open) + by
    const page = pages[Math.min(Math.max(at, 0), pages.length - 1)]
    if (page) setChosen(page.page)
  }
  return (
    <section className="book" aria-labelledby={id}>
      <header className="book-head">
        <h2 id={id}>Pages</h2>
        <span className="count">{number(pages.length)}</span>
        {live && chosen !== undefined && (
          <button type="button" className="button button-quiet button-small" onClick={() => setChosen(undefined)}>
            Follow the newest
          </button>
        )}
      </header>
      <Shelf pages={pages} open={open.page} choose={setChosen} step={step} />
      <Leaf page={open} />
    </section>
  )
}

interface ShelfProps {
  pages: readonly Page[]
  open: number
  choose: (page: number) => void
  step: (by: number) => void
}

/** One stop for the tab key; the arrow keys move within it. */
function Shelf({pages, open, choose, step}: ShelfProps) {
  const shelf = useRef<HTMLDivElement>(null)
  const pictures = pages.some(({thumbnail}) => isPicture(thumbnail))
  useEffect(() => bringIntoSight(shelf.current, open), [open])
  return (
    <div
      ref={shelf}
      className={`shelf ${pictures ? 'shelf-pictures' : ''}`}
      role="toolbar"
      aria-label="Open a page"
      onKeyDown={(event) => {
        const by = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity}[event.key]
        if (by === undefined) return
        event.preventDefault()
        step(by)
        const own = event.currentTarget
        requestAnimationFrame(() => own.querySelector<HTMLElement>('[aria-pressed=true]')?.focus())
      }}
    >
      {pages.map((page) => (
        <Spine key={page.page} page={page} open={page.page === open} choose={choose} />
      ))}
    </div>
  )
}

/** Scrolls the shelf alone: `scrollIntoView` would move the page under its reader. */
function bringIntoSight(shelf: HTMLElement | null, page: number): void {
  const spine = shelf?.querySelector<HTMLElement>(`[data-page="${page}"]`)
  if (!shelf || !spine) return
  shelf.scrollLeft = spine.offsetLeft - shelf.offsetLeft - (shelf.clientWidth - spine.offsetWidth) / 2
  shelf.scrollTop = spine.offsetTop - shelf.offsetTop - (shelf.clientHeight - spine.offsetHeight) / 2
}

const Spine = memo(function Spine({page, open, choose}: {page: Page; open: boolean; choose: (page: number) => void}) {
  const tables = Array.isArray(page.tables) ? page.tables.length : 0
  return (
    <button
      type="button"
      className="spine"
      data-page={page.page}
      aria-pressed={open}
      tabIndex={open ? 0 : -1}
      aria-label={`Page ${page.page}${tables ? `, with ${tables === 1 ? 'a table' : `${tables} tables`}` : ''}`}
      onClick={() => choose(page.page)}
    >
      {isPicture(page.thumbnail) && <img src={page.thumbnail} alt="" />}
      <span>{page.page}</span>
      {tables > 0 && <span className="spine-mark" aria-hidden="true" />}
    </button>
  )
})

const Leaf = memo(function Leaf({page}: {page: Page}) {
  const pairs = Array.isArray(page.pairs) ? page.pairs.filter(isPair) : []
  const tables = Array.isArray(page.tables) ? page.tables.map(gridOf).filter((grid) => grid !== undefined) : []
  return (
    <article className="leaf" aria-label={`Page ${page.page}`}>
      {isPicture(page.thumbnail) && (
        <img className="leaf-picture" src={page.thumbnail} alt={`Page ${page.page}, small`} />
      )}
      <p className="leaf-number">Page {page.page}</p>
      {pairs.length > 0 && (
        <dl className="facts">
          {pairs.map((pair, at) => (
            <div key={at}>
              <dt>{pair.key}</dt>
              <dd>{pair.value}</dd>
            </div>
          ))}
        </dl>
      )}
      {tables.map((grid, at) => (
        <Table key={`${page.page} ${at}`} grid={grid} label={`Table ${at + 1} of page ${page.page}`} />
      ))}
      {page.text.trim() ? <Text page={page} /> : <p className="nothing">No text on this page.</p>}
    </article>
  )
})

/** The text of a page, with its headings set apart where the page names them. */
function Text({page}: {page: Page}) {
  const headings = new Map<string, number>()
  for (const heading of Array.isArray(page.headings) ? page.headings : [])
    if (isObject(heading) && typeof heading.text === 'string')
      headings.set(heading.text.trim(), Number(heading.level) || 1)
  const blocks: {heading: boolean; text: string}[] = []
  for (const line of page.text.split('\n')) {
    const heading = headings.has(line.trim())
    const last = blocks.at(-1)
    if (last && !heading && !last.heading) last.text += (full(last.text) ? ' ' : '\n') + line
    else blocks.push({heading, text: line})
  }
  return (
    <div className="leaf-text">
      {blocks.map((block, at) => (block.heading ? <h3 key={at}>{block.text}</h3> : <p key={at}>{block.text}</p>))}
    </div>
  )
}

/** Whether the last line of a text goes on in the next one: it is as long as lines of running text are. */
const full = (text: string): boolean =>
  text.length - text.lastIndexOf('\n') > 70 && !/[.:!?]$/.test(text) && !/\n\s*$/.test(text)

const isPair = (pair: unknown): pair is {key: string; value: string} =>
  isObject(pair) && typeof pair.key === 'string' && typeof pair.value === 'string'
