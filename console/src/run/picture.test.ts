import {expect, test} from 'vitest'
import {fieldPlaces, namesPicture, placesOn} from './picture'

test('tables and pairs with a box have a place on the page', () => {
  const page = {
    page: 1,
    width: 595,
    height: 842,
    tables: [{rows: [], box: [50, 100, 500, 300]}, {rows: []}],
    pairs: [{key: 'Total', value: '5', box: [1, 2, 3, 4]}, {key: 'Name', value: 'Ada', box: null}, 'rubbish'],
  }
  expect(placesOn(page)).toEqual([
    {kind: 'table', label: 'Table 1', box: [50, 100, 500, 300]},
    {kind: 'pair', label: 'Total', box: [1, 2, 3, 4]},
  ])
})

test('the fields of a run have places by page, with their names', () => {
  const evidence = {
    '/due_date': {
      pages: [1, 2],
      boxes: [
        {page: 1, box: [1, 2, 3, 4]},
        {page: 2, box: [5, 6, 7, 8]},
      ],
    },
    '/items/0/a~1b': {pages: [2], boxes: [{page: 2, box: [1, 1, 2, 2]}, {page: '2', box: [1, 1, 2, 2]}, {page: 2}]},
    '/total': {pages: [2], verified: false},
    '/rubbish': 5,
  }
  expect([...fieldPlaces({evidence})]).toEqual([
    [1, [{kind: 'field', label: 'Due date', box: [1, 2, 3, 4]}]],
    [
      2,
      [
        {kind: 'field', label: 'Due date', box: [5, 6, 7, 8]},
        {kind: 'field', label: 'Items 1, a/b', box: [1, 1, 2, 2]},
      ],
    ],
  ])
  for (const other of [undefined, null, 'x', {}, {evidence: {$partial: 'evidence'}}])
    expect(fieldPlaces(other).size).toBe(0)
})

test('what is no box is left out', () => {
  const boxes = [[1, 2, 3], [3, 2, 1, 4], ['a', 2, 3, 4], [Number.NaN, 2, 3, 4], 'box']
  expect(placesOn({width: 5, height: 5, tables: boxes.map((box) => ({box}))})).toEqual([])
  expect(placesOn({tables: [{box: [1, 2, 3, 4]}]})).toEqual([])
})

test('only pictures of the run are shown', () => {
  const names = ['page-1.jpg', 'a b.PNG', 'page.svg', 'page.html', 'https://example.org/a.png', '../a.png', 5, null]
  expect(names.filter(namesPicture)).toEqual(['page-1.jpg', 'a b.PNG'])
})
