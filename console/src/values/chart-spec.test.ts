import {describe, expect, test} from 'vitest'
import {isDrawable} from './chart-spec'

const values = [
  {city: 'Oslo', n: 1, day: '2026-11-29', ok: true, none: null},
  {city: 'Porto', n: 2.5, day: '2026-11-30', ok: false, none: null},
]

// What operations/analytics/charts.py makes.
const bars = {
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  data: {values},
  mark: {type: 'bar', tooltip: true},
  encoding: {
    x: {field: 'city', type: 'nominal', title: 'city', sort: null},
    y: {field: 'n', type: 'quantitative', title: 'n'},
  },
}
const lines = {
  ...bars,
  mark: {type: 'line', tooltip: true},
  encoding: {
    x: {field: 'day', type: 'temporal', title: 'day'},
    y: {field: 'n', type: 'quantitative', title: 'n'},
    color: {field: 'city', type: 'nominal', title: 'city'},
  },
}
const points = {
  ...bars,
  mark: {type: 'point', tooltip: true},
  encoding: {
    x: {field: 'n\\.of', type: 'quantitative', title: 'n.of', scale: {zero: false}},
    y: {field: 'n', type: 'quantitative', title: 'n', scale: {zero: false}},
  },
}

describe('charts that are drawn', () => {
  test.each([
    ['bars', bars],
    ['lines', lines],
    ['points', points],
    ['with words', {...bars, title: 'Cities', description: 'Two cities', height: 300, mark: 'bar'}],
    ['of sums', {...bars, encoding: {y: {aggregate: 'sum', field: 'n', type: 'quantitative', stack: 'zero'}}}],
  ])('%s', (_, spec) => expect(isDrawable(spec)).toBe(true))
})

const withX = (more: object) => ({...bars, encoding: {...bars.encoding, x: {...bars.encoding.x, ...more}}})

describe('charts that are not', () => {
  test.each<[string, unknown]>([
    ['nothing', null],
    ['no data', {mark: 'bar', encoding: {}}],
    ['no mark', {data: {values}, encoding: {}}],
    ['a sequence', {...bars, data: {sequence: {start: 0, stop: 1e9}}}],
    ['a URL', {...bars, data: {url: 'https://example.org/data.json'}}],
    ['a format', {...bars, data: {values, format: {parse: {day: 'date:"%Y"'}}}}],
    ['named data', {...bars, datasets: {a: values}, data: {name: 'a'}}],
    ['data as text', {...bars, data: {values: 'a,b'}}],
    ['a graticule', {...bars, data: {graticule: true}}],
    ['a transform', {...bars, transform: [{calculate: "regexp('(a+)+$')", as: 'n'}]}],
    ['a filter', {...bars, transform: [{filter: "test(/(a+)+$/, 'aaaa!')"}]}],
    ['parameters', {...bars, params: [{name: 'p', value: 1, bind: {input: 'range'}}]}],
    ['a selection', {...bars, selection: {brush: {type: 'interval'}}}],
    ['a signal', withX({axis: {labelExpr: 'datum.label'}})],
    ['a scale with a signal', withX({scale: {domain: {signal: 'x'}}})],
    ['a condition', withX({condition: {test: 'datum.n > 1', value: 1}})],
    ['an expression', {...bars, mark: {type: 'bar', opacity: {expr: '1'}}}],
    ['a link', {...bars, encoding: {...bars.encoding, href: {field: 'city'}}}],
    ['a picture', {...bars, mark: {type: 'image'}}],
    ['a tooltip of its own', {...bars, mark: {type: 'bar', tooltip: {signal: 'datum'}}}],
    ['a configuration', {...bars, config: {}}],
    ['user metadata', {...bars, usermeta: {}}],
    ['layers', {layer: [bars]}],
    ['a concatenation', {hconcat: [bars]}],
    ['a repetition', {repeat: ['a'], spec: bars}],
    ['facets', {...bars, encoding: {...bars.encoding, row: {field: 'city'}}}],
    ['a width', {...bars, width: 1e9}],
    ['a height', {...bars, height: 1e9}],
    ['rows', {...bars, data: {values: Array(2_001).fill({n: 1})}}],
    ['columns', {...bars, data: {values: [Object.fromEntries(Array.from({length: 21}, (_, at) => [`c${at}`, 1]))]}}],
    ['objects in rows', {...bars, data: {values: [{n: {toString: 1}}]}}],
    ['a prototype', JSON.parse('{"mark":"bar","encoding":{},"data":{"values":[{"__proto__":1}]}}')],
    ['the prototype of the chart', JSON.parse('{"mark":"bar","encoding":{},"data":{"values":[]},"__proto__":{}}')],
    ['a member of every object', {...bars, constructor: 1}],
    ['numbers', {...bars, data: {values: [{n: 1e308}]}}],
    ['long texts', {...bars, title: 'x'.repeat(1_001)}],
  ])('%s', (_, spec) => expect(isDrawable(spec)).toBe(false))
})
