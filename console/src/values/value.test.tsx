import {renderToString} from 'react-dom/server'
import {expect, test} from 'vitest'
import {Value} from './value'

const chart = {data: {values: [{n: 1}]}, mark: 'bar', encoding: {y: {field: 'n', type: 'quantitative'}}}

test('a chart with other parts than those that are drawn is shown as JSON', () => {
  expect(renderToString(<Value value={chart} />)).toContain('Drawing the chart')
  const page = renderToString(<Value value={{...chart, data: {sequence: {start: 0, stop: 1e9}}}} />)
  expect(page).not.toContain('chart')
  expect(page).toContain('&quot;sequence&quot;')
})

test('what is hidden in JSON is escaped', () => {
  expect(renderToString(<Value value={{...chart, title: 5, name: 'fdp\u202eexe'}} />)).toContain('fdp\\u202eexe')
})
