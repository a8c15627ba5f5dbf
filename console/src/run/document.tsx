// The pages of a document: a list that grows while the run reads them, and the one that is open.
import {memo, useEffect, useId, useRef, useState} from 'react'
import {number} from '../format'
import {gridOf, isObject, type JsonObject} from '../values/shapes'
import {Table} from '../values/table'
import {type ContentsEntry, contentsEntry} from './contents'
import {namesPicture, PagePicture, SmallPicture} from './picture'

type Page = JsonObject & {page: number; text: string}

export function DocumentPages({pages, live}: {pages: readonly Page[]; live: boolean}) {
  const [chosen, setChosen] = useState<number>()
  const id = useId()
  // Until somebody chooses a page, the newest one is open while the run is live, and then the first one.
  const open = pages.find(({page}) => page === chosen) ?? (live ? pages.at(-1) : pages[0])
  if (!open) return null
  const step = (by: number): void => {
    const at = pages.indexOf(open) + by
    const page = pages[Math.min(Math.max(at, 0), pages.length - 1)]
    if (page) setChosen(page.page)
  }
  return (
    <section className="document" aria-labelledby={id}>
      <header className="document-head">
        <h2 id={id}>Pages</h2>
        <span className="count">{number(pages.length)}</span>
        {live && chosen !== undefined && (
          <button type="button" className="button button-quiet button-small" onClick={() => setChosen(undefined)}>
            Show the newest
          </button>
        )}
      </header>
      <PageList pages={pages} open={open.page} choose={setChosen} step={step} />
      <PageContent page={open} />
    </section>
  )
}

interface PageListProps {
  pages: readonly Page[]
  open: number
  choose: (page: number) => void
  step: (by: number) => void
}

/** A toolbar is one stop for the tab key; the arrow keys move within it. */
function PageList({pages, open, choose, step}: PageListProps) {
  const list = useRef<HTMLDivElement>(null)
  const pictures = pages.some(({thumbnail}) => namesPicture(thumbnail))
  useEffect(() => scrollToPage(list.current, open), [open])
  return (
    <div
      ref={list}
      className={`page-list ${pictures ? 'page-list-pictures' : ''}`}
      role="toolbar"
      aria-label="Open a page"
      onKeyDown={(event) => {
        const by = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity}[event.key]
        if (by === undefined) return
        event.preventDefault()
        step(by)
        const toolbar = event.currentTarget
        requestAnimationFrame(() => toolbar.querySelector<HTMLElement>('[aria-pressed=true]')?.focus())
      }}
    >
      {pages.map((page) => (
        <PageButton key={page.page} page={page} open={page.page === open} choose={choose} />
      ))}
    </div>
  )
}

/** Scrolls the list only: `scrollIntoView` would scroll the whole page too. */
function scrollToPage(list: HTMLElement | null, page: number): void {
  const button = list?.querySelector<HTMLElement>(`[data-page="${page}"]`)
  if (!list || !button) return
  list.scrollLeft = button.offsetLeft - list.offsetLeft - (list.clientWidth - button.offsetWidth) / 2
  list.scrollTop = button.offsetTop - list.offsetTop - (list.clientHeight - button.offsetHeight) / 2
}

const PageButton = memo(function PageButton({
  page,
  open,
  choose,
}: {
  page: Page
  open: boolean
  choose: (page: number) => void
}) {
  const tables = Array.isArray(page.tables) ? page.tables.length : 0
  return (
    <button
      type="button"
      className="page-button"
      data-page={page.page}
      aria-pressed={open}
      tabIndex={open ? 0 : -1}
      aria-label={`Page ${page.page}${tables ? `, with ${tables === 1 ? 'a table' : `${tables} tables`}` : ''}`}
      onClick={() => choose(page.page)}
    >
      {namesPicture(page.thumbnail) && <SmallPicture name={page.thumbnail} />}
      <span>{page.page}</span>
      {tables > 0 && <span className="page-button-mark" aria-hidden="true" />}
    </button>
  )
})

const PageContent = memo(function PageContent({page}: {page: Page}) {
  const pairs = Array.isArray(page.pairs) ? page.pairs.filter(isPair) : []
  const tables = Array.isArray(page.tables) ? page.tables.map(gridOf).filter((grid) => grid !== undefined) : []
  return (
    <article className="page-content" aria-label={`Page ${page.page}`}>
      {namesPicture(page.thumbnail) && <PagePicture page={page} />}
      <p className="page-number">Page {page.page}</p>
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
      {page.text.trim() ? <Text page={page} /> : <p className="muted">No text on this page.</p>}
    </article>
  )
})

/** The text of a page in paragraphs, with the headings that the page lists. */
function Text({page}: {page: Page}) {
  const headings = new Map<string, number>()
  for (const heading of Array.isArray(page.headings) ? page.headings : [])
    if (isObject(heading) && typeof heading.text === 'string')
      headings.set(heading.text.trim(), Number(heading.level) || 1)
  const blocks: Block[] = []
  for (const line of page.text.split('\n')) {
    const entry = contentsEntry(line)
    const kind = entry ? 'contents' : headings.has(line.trim()) ? 'heading' : 'prose'
    const last = blocks.at(-1)
    if (entry && last?.kind === 'contents') last.entries.push(entry)
    else if (last && kind === 'prose' && last.kind === 'prose') last.text += (isWrapped(last.text) ? ' ' : '\n') + line
    else blocks.push({kind, text: line, entries: entry ? [entry] : []})
  }
  return (
    <div className="page-text">
      {blocks.map((block, at) => (
        <TextBlock key={at} block={block} />
      ))}
    </div>
  )
}

interface Block {
  kind: 'heading' | 'prose' | 'contents'
  text: string
  entries: ContentsEntry[]
}

function TextBlock({block: {kind, text, entries}}: {block: Block}) {
  if (kind === 'heading') return <h3>{text}</h3>
  if (kind === 'prose') return <p>{text}</p>
  return (
    <ul className="contents">
      {entries.map(({title, page, level}, at) => (
        <li key={at} style={{paddingLeft: `${level * 1.2}rem`}}>
          <span>{title}</span> <span className="numeric">{page}</span>
        </li>
      ))}
    </ul>
  )
}

/** Whether the last line of a text was wrapped: it is as long as the lines of a paragraph, and ends no sentence. */
const isWrapped = (text: string): boolean =>
  text.length - text.lastIndexOf('\n') > 70 && !/[.:!?]$/.test(text) && !/\n\s*$/.test(text)

const isPair = (pair: unknown): pair is {key: string; value: string} =>
  isObject(pair) && typeof pair.key === 'string' && typeof pair.value === 'string'
