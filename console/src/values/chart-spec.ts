// The charts that are drawn: a small part of Vega-Lite. A result may hold the words of another service, and Vega does
// what they say: it makes a hundred million rows (`sequence`), tries patterns that backtrack (`regexp`), adds inputs to
// the page (`bind`), asks for URLs, and computes expressions. So each member has to be one of these, with such a value.
import {isObject} from './shapes'

type Check = (value: unknown) => boolean

const MAX_ROWS = 2_000
const MAX_COLUMNS = 20
const MAX_TEXT = 1_000
const MAX_CELL = 10_000
const MAX_NUMBER = 1e100

const text: Check = (value) => typeof value === 'string' && value.length <= MAX_TEXT
const flag: Check = (value) => typeof value === 'boolean'
const oneOf =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value)
const either =
  (...checks: readonly Check[]): Check =>
  (value) =>
    checks.some((check) => check(value))

/** An object with some of these members, and no others. */
const members =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isObject(value) &&
    Object.entries(value).every(([name, each]) => Object.hasOwn(checks, name) && checks[name]?.(each))

const cell: Check = (value) =>
  value === null ||
  typeof value === 'boolean' ||
  (typeof value === 'number' && Math.abs(value) <= MAX_NUMBER) ||
  (typeof value === 'string' && value.length <= MAX_CELL)

const row: Check = (value) => {
  if (!isObject(value)) return false
  const cells = Object.entries(value)
  return cells.length <= MAX_COLUMNS && cells.every(([name, each]) => name !== '__proto__' && cell(each))
}

const rows: Check = (value) => Array.isArray(value) && value.length <= MAX_ROWS && value.every(row)

const mark = oneOf('bar', 'line', 'point', 'area', 'circle', 'square', 'tick')

const channel = members({
  field: text,
  type: oneOf('quantitative', 'temporal', 'nominal', 'ordinal'),
  title: either(text, oneOf(null)),
  sort: oneOf(null, 'ascending', 'descending'),
  scale: members({zero: flag}),
  stack: oneOf(null, true, false, 'zero', 'normalize'),
  aggregate: oneOf('count', 'sum', 'mean', 'median', 'min', 'max'),
})

const specification = members({
  $schema: text,
  title: text,
  description: text,
  height: (value) => typeof value === 'number' && value >= 20 && value <= 2_000,
  data: members({values: rows}),
  mark: either(mark, members({type: mark, tooltip: flag})),
  encoding: members({x: channel, y: channel, color: channel, size: channel, shape: channel}),
})

/** Whether a chart is drawn; any other is shown as JSON. */
export const isDrawable = (spec: unknown): boolean =>
  specification(spec) && isObject(spec) && 'data' in spec && 'mark' in spec && 'encoding' in spec
