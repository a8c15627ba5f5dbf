import {expect, test} from 'vitest'
import {visible} from './format'

test('what a reader would not see is escaped', () => {
  expect(visible('invoice\u202efdp.exe\u200b\u0000')).toBe('invoice\\u202efdp.exe\\u200b\\u0000')
  expect(visible(String.fromCodePoint(0xe0068))).toBe('\\ue0068')
  expect(visible('naïve\n\t\u{1f469}\u200d\u{1f33e} \u05d0')).toBe('naïve\n\t\u{1f469}\u200d\u{1f33e} \u05d0')
})
