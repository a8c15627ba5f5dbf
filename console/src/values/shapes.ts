// The shapes of JSON values, which decide how they are shown: the console knows no operation by its name.

export type JsonObject = Record<string, unknown>

export interface Column {
  name: string
  type?: string
  numeric: boolean
}

export interface Grid {
  columns: readonly Column[]
  rows: readonly (readonly unknown[])[]
}

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const isScalar = (value: unknown): boolean =>
  value === null || ['string', 'number', 'boolean'].includes(typeof value)

export const isPicture = (value: unknown): value is string =>
  typeof value === 'string' && /^data:image\/(png|jpeg|webp|gif);base64,/.test(value)

/** A Vega-Lite specification: it names its schema, or has a mark and an encoding. */
export function isChart(value: unknown): value is JsonObject {
  if (!isObject(value)) return false
  if (typeof value.$schema === 'string') return value.$schema.includes('/vega-lite/')
  return 'mark' in value && isObject(value.encoding)
}

/** A page of a document: its number and its text. */
export function isPage(value: unknown): value is JsonObject & {page: number; text: string} {
  return isObject(value) && typeof value.page === 'number' && typeof value.text === 'string'
}

/**
 * A table: `{columns, rows}`, `{rows}` with `header` (the number of head rows, or true), or a list of flat objects with
 * the same members.
 */
export function gridOf(value: unknown): Grid | undefined {
  if (isObject(value) && Array.isArray(value.rows))
    return gridOfRows(value.rows, value.columns, value.header, value.types)
  if (Array.isArray(value) && value.length > 0 && value.every(isObject)) return gridOfObjects(value)
  return undefined
}

function gridOfRows(rows: unknown[], columns: unknown, header: unknown, types: unknown): Grid | undefined {
  const declared = columnsOf(columns, types)
  if (rows.every(Array.isArray)) {
    const heads = declared.length ? 0 : header === true ? 1 : typeof header === 'number' ? header : 0
    const lists = rows as unknown[][]
    const width = Math.max(declared.length, ...lists.slice(0, 200).map((row) => row.length))
    const head = Array.isArray(header) ? header : lists[heads - 1]
    const names = declared.length
      ? declared
      : Array.from({length: width}, (_, at) => ({name: head ? String(head[at] ?? '') : ''}))
    return withNumeric(names, lists.slice(heads))
  }
  if (!rows.every(isObject)) return undefined
  const names = declared.length ? declared : keysOf(rows as JsonObject[]).map((name) => ({name}))
  return withNumeric(
    names,
    (rows as JsonObject[]).map((row) => names.map(({name}) => row[name])),
  )
}

function gridOfObjects(rows: JsonObject[]): Grid | undefined {
  const names = keysOf(rows)
  const flat = rows.slice(0, 50).every((row) => Object.values(row).every(isCell))
  if (!flat || names.length === 0 || names.length > 12) return undefined
  return withNumeric(
    names.map((name) => ({name})),
    rows.map((row) => names.map((name) => row[name])),
  )
}

/** The columns of a list of names, or of objects with a name and perhaps a type. */
export function columnsOf(columns: unknown, types?: unknown): {name: string; type?: string}[] {
  if (!Array.isArray(columns)) return []
  const kinds = Array.isArray(types) ? types : []
  return columns.map((column, at) => {
    if (isObject(column))
      return {name: String(column.name ?? ''), type: column.type === undefined ? undefined : String(column.type)}
    return {name: String(column), type: kinds[at] === undefined ? undefined : String(kinds[at])}
  })
}

/** A table whose columns say whether all of their cells, in the first rows, are numbers. */
function withNumeric(columns: readonly {name: string; type?: string}[], rows: readonly (readonly unknown[])[]): Grid {
  const sample = rows.slice(0, 50)
  return {
    rows,
    columns: columns.map((column, at) => {
      const cells = sample.map((row) => row[at]).filter((cell) => cell !== null && cell !== undefined && cell !== '')
      return {
        ...column,
        numeric: cells.length > 0 && cells.every((cell) => typeof cell === 'number' || isNumeral(cell)),
      }
    }),
  }
}

const isNumeral = (cell: unknown): boolean =>
  typeof cell === 'string' && /^[-+]?[$€£]?\d{1,3}([,  ]?\d{3})*(\.\d+)?\s?%?$/.test(cell)
const isCell = (value: unknown): boolean =>
  (isScalar(value) && !isLong(value)) || (Array.isArray(value) && value.length <= 6 && value.every(isScalar))
const isLong = (value: unknown): boolean => typeof value === 'string' && value.length > 400

function keysOf(rows: JsonObject[]): string[] {
  const keys = new Set<string>()
  for (const row of rows.slice(0, 50)) for (const key of Object.keys(row)) keys.add(key)
  return [...keys]
}

/** The table whose batches of rows are partials, with their keys. One partial has the columns, or each of them. */
export function batchesOf(
  partials: Readonly<Record<string, unknown>>,
): {grid: Grid; keys: ReadonlySet<string>} | undefined {
  const keys = new Set<string>()
  const rows: unknown[] = []
  let columns: {name: string; type?: string}[] = []
  for (const [key, value] of Object.entries(partials)) {
    const head = headOf(key, value)
    if (head.length && !sameNames(columns, head)) {
      if (columns.length) return undefined // two tables, which are not merged
      columns = head
    }
    const batch = rowsOf(value, key)
    if (batch) for (const row of batch) rows.push(row)
    if (batch || head.length) keys.add(key)
  }
  const grid = columns.length ? gridOfRows(rows, columns, undefined, undefined) : undefined
  return grid && {grid, keys}
}

function headOf(key: string, value: unknown): {name: string; type?: string}[] {
  if (isObject(value)) return columnsOf(value.columns, value.types)
  return key === 'columns' ? columnsOf(value) : []
}

function rowsOf(value: unknown, key: string): unknown[] | undefined {
  if (isObject(value) && Array.isArray(value.rows) && !isPage(value)) return value.rows
  return /^(rows|batch)\b|^(rows|batch)[-_:.\d]/.test(key) && Array.isArray(value) ? value : undefined
}

const sameNames = (one: readonly {name: string}[], other: readonly {name: string}[]): boolean =>
  one.length === other.length && one.every((column, at) => column.name === other[at]?.name)
