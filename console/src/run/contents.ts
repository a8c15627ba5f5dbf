// The lines of a table of contents, whose leaders are as wide as the page that they were printed on.

export interface ContentsEntry {
  title: string
  page: string
  /** 0, or how many numbers follow the first in `1.2.3`. */
  level: number
}

/** A line such as `1.2. Conventions ........ 7`: a title, at least four dots, and a page. Undefined for another line. */
export function contentsEntry(line: string): ContentsEntry | undefined {
  const leader = /\s*(?:[.·…_]\s?){4,}\s*/.exec(line)
  if (!leader) return undefined
  const title = line.slice(0, leader.index).trim()
  const page = line.slice(leader.index + leader[0].length).trim()
  if (!title || !/^[\p{L}\d-]{1,8}$/u.test(page)) return undefined
  const numbers = /^\d+(?:\.\d+)*/.exec(title)?.[0].split('.').length ?? 1
  return {title, page, level: Math.min(numbers - 1, 5)}
}
