/** The built package: its exports, its imports and its size. */

import {execFileSync} from 'node:child_process'
import {cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {gzipSync} from 'node:zlib'

import {build} from 'esbuild'
import {afterAll, beforeAll, expect, test} from 'vitest'

import {type CatalogueEntry, typesOf} from '../src/codegen.ts'

const CLIENT = fileURLToPath(new URL('..', import.meta.url))
const MODULES = join(CLIENT, '../../node_modules')
const TSC = join(MODULES, 'typescript/bin/tsc')

let home = ''
let dist = ''

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'headway-client-'))
  dist = join(home, 'dist')
  node(join(CLIENT, 'build.mjs'), dist)
  writeFileSync(join(home, 'package.json'), '{"type": "module"}')
  symlinkSync(MODULES, join(home, 'node_modules'))
})

afterAll(() => rmSync(home, {recursive: true, force: true}))

function node(...args: string[]): string {
  try {
    return execFileSync(process.execPath, args, {cwd: home || CLIENT, encoding: 'utf8', stdio: 'pipe'})
  } catch (error) {
    const {stdout, stderr} = error as {stdout: string; stderr: string}
    throw new Error(`${args[0]}\n${stdout}${stderr}`)
  }
}

/** The files of a module, those that it imports included, and the packages that these import. */
function importsOf(module: string): {files: string[]; names: string[]} {
  const text = readFileSync(join(dist, module), 'utf8')
  const from = [...text.matchAll(/(?:from|import)\s*"([^"]+)"/g)].map(([, name]) => name as string)
  const inner = from.filter((name) => name.startsWith('./')).map((name) => importsOf(name))
  const names = from.filter((name) => !name.startsWith('./'))
  return {
    files: [...new Set([module, ...inner.flatMap(({files}) => files)])],
    names: [...names, ...inner.flatMap((one) => one.names)],
  }
}

function compile(text: string): string {
  const options = [
    '--strict',
    '--exactOptionalPropertyTypes', // the strictest pages: every option takes `undefined` in so many words
    '--noEmit',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--types',
    '',
    '--skipLibCheck',
  ]
  const libs = ['--lib', 'es2022,dom,dom.iterable,dom.asynciterable', '--jsx', 'react-jsx']
  writeFileSync(join(home, 'page.tsx'), text)
  return node(TSC, ...options, ...libs, 'page.tsx')
}

test('index.js and all that it imports have less than 7 kB compressed', () => {
  const {files, names} = importsOf('index.js')
  const sizes = [...new Set(files)].map((file) => gzipSync(readFileSync(join(dist, file)), {level: 9}).length)
  expect(sizes.reduce((sum, each) => sum + each)).toBeLessThan(7_000)
  expect(names).toEqual([])
})

test('the hook and all that it takes have less than 10 kB compressed, and no code of others', async () => {
  const {outputFiles, metafile} = await build({
    stdin: {contents: "export {useRun} from './src/react.ts'", resolveDir: CLIENT},
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    target: 'es2022',
    external: ['react'],
    outfile: 'page.js',
  })
  expect(gzipSync(outputFiles[0]?.contents as Uint8Array, {level: 9}).length).toBeLessThan(10_000)
  expect(Object.keys(metafile.inputs).filter((file) => file.includes('node_modules'))).toEqual([])
})

test('react.js imports no package but React', () => {
  expect(new Set(importsOf('react.js').names)).toEqual(new Set(['react']))
})

test('the modules export the documented names', async () => {
  const script = `const [a, b] = [await import('./dist/index.js'), await import('./dist/react.js')]
    console.log(JSON.stringify([Object.keys(a), Object.keys(b)]))`
  const errors = ['Disconnected', 'HeadwayError', 'Interrupted', 'Misuse', 'Problem', 'RunCancelled', 'RunFailed']
  expect(JSON.parse(node('--input-type=module', '-e', script))).toEqual([
    [...errors, 'createClient', 'startRun', 'watchRun'].sort(),
    [...errors, 'HeadwayProvider', 'createClient', 'useClient', 'useRun'].sort(),
  ])
})

test('the error classes are the same in both modules', async () => {
  const script = `const [a, b] = [await import('./dist/index.js'), await import('./dist/react.js')]
    console.log(a.Problem === b.Problem)`
  expect(node('--input-type=module', '-e', script).trim()).toBe('true')
})

test('require gives the same names, with one class of each error, and the hook is for the client alone', () => {
  const script = `const [a, b] = [require('./dist/index.cjs'), require('./dist/react.cjs')]
    console.log(JSON.stringify([a.Problem === b.Problem, typeof a.startRun, typeof b.useRun]))`
  expect(JSON.parse(node('--input-type=commonjs', '-e', script))).toEqual([true, 'function', 'function'])
  for (const name of ['react.js', 'react.cjs']) {
    expect(readFileSync(join(dist, name), 'utf8')).toMatch(/^"use client";/)
  }
})

test('the package has its licence and a guide, its modules where old resolution looks, and needs nothing at run time', () => {
  const home = new URL('../', import.meta.url)
  const read = (path: string) => readFileSync(new URL(path, home), 'utf8')
  const {dependencies, exports, files} = JSON.parse(read('package.json'))
  expect(dependencies).toBe(undefined)
  expect(read('LICENSE')).toBe(read('../../LICENSE'))
  expect(read('README.md')).toContain('npm pack')
  for (const name of ['many', 'react', 'store', 'testing', 'upload']) {
    const folder = JSON.parse(read(`${name}/package.json`))
    expect(files).toContain(name)
    expect(`./${name}/${folder.main}`.replace(`${name}/../`, '')).toBe(exports[`./${name}`].require.default)
    expect(`./${name}/${folder.types}`.replace(`${name}/../`, '')).toBe(exports[`./${name}`].import.types)
  }
  for (const entry of Object.values<Record<string, Record<string, string>>>(exports).filter((each) => each.import)) {
    const paths = [entry.import, entry.require].flatMap((each) => Object.values(each ?? {}))
    expect(paths.map((path) => existsSync(join(dist, path.replace('./dist/', ''))))).toEqual([true, true, true, true])
  }
})

test('the tarball passes publint and attw', () => {
  const folder = join(home, 'package')
  const parts = ['package.json', 'README.md', 'LICENSE', 'many', 'react', 'store', 'testing', 'upload']
  for (const part of parts) cpSync(join(CLIENT, part), join(folder, part), {recursive: true})
  cpSync(dist, join(folder, 'dist'), {recursive: true})
  const pack = ['pack', '--silent', '--pack-destination', home]
  const tarball = join(home, execFileSync('npm', pack, {cwd: folder, encoding: 'utf8'}).trim())
  node(join(MODULES, 'publint/src/cli.js'), 'run', tarball, '--strict')
  node(join(MODULES, '@arethetypeswrong/cli/dist/index.js'), tarball) // all of node10, node16 and bundlers
  const listed = execFileSync('tar', ['-tzf', tarball], {encoding: 'utf8'}).split('\n')
  expect(listed).toEqual(expect.arrayContaining(['package/LICENSE', 'package/README.md', 'package/dist/react.cjs']))
})

test('headway-types without its generator says how to install it', () => {
  const alone = mkdtempSync(join(tmpdir(), 'headway-alone-'))
  cpSync(join(dist, 'headway-types.js'), join(alone, 'headway-types.mjs'))
  const catalogue = 'data:application/json,{"operations":[]}#/operations'
  expect(() => node(join(alone, 'headway-types.mjs'), catalogue)).toThrow(
    /npm install --save-dev json-schema-to-typescript/,
  )
  rmSync(alone, {recursive: true})
})

test('the types narrow an event by its type, and include the result', () => {
  compile(`
    import {startRun, type Operation} from './dist/index.js'
    import {useRun} from './dist/react.js'
    interface Count extends Operation {
      input: {pages: number}
      result: {pages: number}
      events: {chart: {points: number[]}; plain: string}
    }
    const run = startRun<Count>('/operations/count', {pages: 3})
    for await (const event of run) {
      if (event.type === 'progress') { const done: number | undefined = event.data.done }
      if (event.type === 'chart') { const [first]: number[] = event.data.points; event.data.timestamp.length }
      if (event.type === 'plain') event.data.trim()
      // @ts-expect-error: there is no such event
      if (event.type === 'grogress') {}
    }
    const pages: number = (await run.result).pages
    // @ts-expect-error: the input is of another type
    startRun<Count>('/operations/count', {pages: 'three'})
    export function Page() {
      const {result, start, percent} = useRun<Count>('/operations/count')
      return <button onClick={() => start({pages: 3})}>{result?.pages.toFixed()} {percent}</button>
    }
    startRun('/operations/count', new FormData())
  `)
})

const CATALOGUE: CatalogueEntry[] = [
  {
    name: 'count-pages',
    description: 'Counts.',
    input: {
      title: 'Input',
      type: 'object',
      additionalProperties: false,
      required: ['file', 'range'],
      properties: {
        file: {anyOf: [{type: 'string', format: 'binary'}, {type: 'null'}], title: 'File'},
        range: {$ref: '#/$defs/Range'},
        title: {type: 'string', title: 'Title', default: ''},
      },
      $defs: {
        Range: {
          title: 'Range',
          type: 'object',
          required: ['first'],
          properties: {first: {type: 'integer', title: 'First'}},
        },
      },
    },
    result: {
      type: 'object',
      required: ['range'],
      properties: {range: {$ref: '#/$defs/Range'}},
      $defs: {Range: {type: 'object', required: ['last'], properties: {last: {enum: ['one', 'two']}}}},
    },
    partials: {type: 'object', required: ['words'], properties: {words: {type: 'integer'}}},
    events: {
      chart: {type: 'object', required: ['points'], properties: {points: {type: 'array', items: {type: 'number'}}}},
    },
  },
  {name: 'other', input: {type: 'object', title: 'Input', properties: {}}},
]

test('a page compiles with the types that are generated from a catalogue', async () => {
  const text = await typesOf(CATALOGUE, 'http://service.test')
  writeFileSync(join(home, 'operations.ts'), text)
  compile(`
    import {startRun} from './dist/index.js'
    import type {Operations} from './operations.js'
    const input: Operations['count-pages']['input'] = {file: new File([], 'a.pdf'), range: {first: 1}}
    const run = startRun<Operations['count-pages']>('/operations/count-pages', input)
    const last: 'one' | 'two' = (await run.result).range.last
    // @ts-expect-error: the range of the input has no last
    input.range.last satisfies string
    // @ts-expect-error: the other operation declares no result
    ;(await startRun<Operations['other']>('/operations/other').result).pages
    // @ts-expect-error: a required field is missing
    startRun<Operations['count-pages']>('/operations/count-pages', {range: {first: 1}})
  `)
  expect(text).toContain('/**\n * Counts.\n */\nexport interface CountPages {')
})

test('a client is typed by the operations of its service', async () => {
  writeFileSync(join(home, 'operations.ts'), await typesOf(CATALOGUE, 'http://service.test'))
  compile(`
    import {createClient as createPlainClient, type StartOptions, startRun} from './dist/index.js'
    import {type ClientOptions, createClient, HeadwayProvider, useClient, useRun, type UseRunOptions} from './dist/react.js'
    import {createRunStore, type RunStoreOptions} from './dist/plain-store.js'
    import type {Operations} from './operations.js'
    type Count = Operations['count-pages']
    type Absent<Options> = Record<keyof Options, undefined>
    startRun('/operations/other', {}, {} as Absent<StartOptions>)
    createRunStore('/operations/other', {} as Absent<RunStoreOptions>)
    createClient<Operations>({} as Absent<ClientOptions>).useRun('other', {} as Absent<UseRunOptions>)
    const key: string | undefined = undefined
    const client = createClient<Operations>({
      url: '/api',
      headers: () => ({Authorization: key, 'X-Trace': 'a'}),
      credentials: undefined,
      retry: ({count}) => count < 3,
    })
    export function Page() {
      const run = client.useRun('count-pages', {
        onSuccess: (result) => { const last: 'one' | 'two' = result.range.last },
        onEvent: (event) => { if (event.type === 'chart') { const [first]: number[] = event.data.points } },
        runId: undefined, key: undefined, headers: undefined, input: undefined, onError: undefined, keep: undefined,
      })
      run.start({file: null, range: {first: 1}})
      // @ts-expect-error: the input is of another operation
      run.start({pages: 3})
      const words: number | undefined = run.partials['a']?.words
      // @ts-expect-error: a partial has no such member
      run.partials['a']?.letters
      const status: string = client.useRun('count-pages', {select: (run) => run.status})
      // @ts-expect-error: there is no such operation
      client.useRun('grunt')
      if (run.status === 'succeeded') run.result.range.last satisfies 'one' | 'two'
      if (run.status === 'failed') run.error.code.trim()
      if (run.status === 'waiting') run.question.prompt.trim()
      if (run.status === 'running') run.result satisfies undefined
      // @ts-expect-error: the run may not have succeeded
      run.result.range
      const {status: state, question} = useClient<Operations>().useRun('other')
      if (state === 'waiting') question.prompt.trim()
      return <HeadwayProvider client={client}>{words}{status}</HeadwayProvider>
    }
    const own = useRun<Count, number>('/operations/count-pages', {select: (run) => run.percent ?? 0})
    own.toFixed()
    useRun<Count>('/runs/r1').partials
    startRun<Count>('https://service.test/operations/count-pages')
    startRun<Count>(new URL('https://service.test/'))
    // @ts-expect-error: the URL is that of another operation
    startRun<Count>('/operations/other')
    // @ts-expect-error: the URL is that of another operation
    useRun<Count>('/operations/other')
    const plain = createPlainClient<Operations>({url: new URL('http://service.test')})
    for await (const event of plain.startRun('count-pages')) {
      if (event.type === 'partial') event.data.value.words.toFixed()
    }
    // @ts-expect-error: there is no such operation
    plain.startRun('grunt')
    createPlainClient().startRun('anything', {any: 'input'})
  `)
})

test('headway-types prints its usage, and errors', async () => {
  const command = join(dist, 'headway-types.js')
  expect(() => node(command)).toThrow(/usage: headway-types/)
  expect(() => node(command, '--nonsense')).toThrow(/usage: headway-types/)
  expect(() => node(command, 'http://127.0.0.1:1')).toThrow(/^headway-types: http:\/\/127\.0\.0\.1:1: fetch failed/m)
})
