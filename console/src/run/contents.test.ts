import {expect, test} from 'vitest'
import {contentsEntry} from './contents'

test('a line with leaders is an entry of a table of contents', () => {
  expect(contentsEntry(`1.2. Conventions ${'.'.repeat(180)} 7`)).toEqual({
    title: '1.2. Conventions',
    page: '7',
    level: 1,
  })
  expect(contentsEntry(`Preface ${'. '.repeat(40)}xii`)).toEqual({title: 'Preface', page: 'xii', level: 0})
})

test.each([
  'and so on ...',
  'It ends here.',
  '........ 7',
  'To be continued .... in the next chapter of this book',
  '',
])('%j is prose', (line) => {
  expect(contentsEntry(line)).toBeUndefined()
})
