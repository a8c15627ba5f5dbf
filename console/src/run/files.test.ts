import {expect, test} from 'vitest'
import {filesIn} from './files'

test('the newest file of each name is listed, in the order of the names', () => {
  const file = (name: string, size: number) => ({type: 'file', data: {name, type: 'text/csv', size, sha256: '5'}})
  const events = [file('a.csv', 1), {type: 'note', data: {name: 'b'}}, file('b.csv', 2), file('a.csv', 3)]
  expect(filesIn([...events, {type: 'file', data: 'rubbish'}])).toEqual([
    {name: 'a.csv', type: 'text/csv', size: 3},
    {name: 'b.csv', type: 'text/csv', size: 2},
  ])
})
