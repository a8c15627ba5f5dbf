// A model's text as Markdown while it grows. HTML in it stays text. Images become links: loading one would tell its host
// who reads the text, and the Content-Security-Policy forbids it. Links open in a new tab, without a referrer.
import {memo, useMemo} from 'react'
import ReactMarkdown, {type Components} from 'react-markdown'
import remarkGfm from 'remark-gfm'

const components: Components = {
  a: ({href, children}) => (
    <a href={href} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  ),
  img: ({src, alt}) => (
    <a href={typeof src === 'string' ? src : undefined} target="_blank" rel="noopener noreferrer">
      {alt || 'picture'}
    </a>
  ),
  table: ({children}) => (
    <div className="table-box" role="group" aria-label="Table" tabIndex={0}>
      <table className="table">{children}</table>
    </div>
  ),
  // Headings of the text are of a lower level than those of the page.
  h1: ({children}) => <h4>{children}</h4>,
  h2: ({children}) => <h4>{children}</h4>,
  h3: ({children}) => <h5>{children}</h5>,
  h4: ({children}) => <h6>{children}</h6>,
  h5: ({children}) => <h6>{children}</h6>,
}

const plugins = [remarkGfm]

const Block = memo(function Block({text}: {text: string}) {
  return (
    <ReactMarkdown remarkPlugins={plugins} components={components}>
      {text}
    </ReactMarkdown>
  )
})

/** Each piece of text only parses the last block again. */
export function Markdown({text}: {text: string}) {
  const blocks = useMemo(() => blocksOf(text), [text])
  return (
    <div className="prose">
      {blocks.map((block, at) => (
        <Block key={at} text={block} />
      ))}
    </div>
  )
}

/** The text, split at blank lines except those within fenced code, lists and other indented blocks. */
export function blocksOf(text: string): string[] {
  const blocks: string[] = []
  let lines: string[] = []
  let fence = ''
  let blank = false
  for (const line of text.split('\n')) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1]
    if (blank && !fence && /^(#{1,6} |[^\s*+\-\d>|])/.test(line)) {
      blocks.push(lines.join('\n'))
      lines = []
    }
    if (mark && !fence) fence = mark
    else if (mark?.startsWith(fence)) fence = ''
    lines.push(line)
    blank = line.trim() === ''
  }
  return [...blocks, lines.join('\n')]
}
