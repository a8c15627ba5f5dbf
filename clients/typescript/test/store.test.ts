/** `createRunStore`, by itself and as the Vue composable of docs/clients.md. */

import {readFileSync, rmSync, writeFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'

import {afterEach, expect, test, vi} from 'vitest'
import {effectScope, type ShallowRef, watchEffect} from 'vue'

import {createRunStore, type RunStore, type RunStoreOptions} from '../src/plain-store.ts'
import {createTestService, type TestService} from '../src/testing.ts'

/** Stores of one run are shared by its URL, so that each test has a host of its own. */
const urlAt = (host: string) => `http://${host}.test/operations/count`
const MODULE = fileURLToPath(new URL('./composable.generated.ts', import.meta.url))

type UseRun = (
  url: string,
  options: RunStoreOptions,
) => RunStore & {state: ShallowRef<ReturnType<RunStore['getState']>>}

afterEach(() => rmSync(MODULE, {force: true}))

function service(): TestService {
  return createTestService({
    count: async (run) => {
      run.progress({done: 1, total: 2})
      run.delta('half ')
      return (await run.ask('Go on?')) === true ? 'all' : 'some'
    },
  })
}

test('a store starts, answers, and is watched as long as it has listeners', async () => {
  const run = createRunStore(urlAt('alone'), {fetch: service().fetch})
  const states: string[] = []
  const unsubscribe = run.subscribe(() => states.push(run.getState().status))
  const id = await run.start({})
  await vi.waitFor(() => expect(run.getState().question?.prompt).toBe('Go on?'))
  expect(run.getState()).toMatchObject({id, percent: 50, text: 'half '})
  await run.answer(true)
  await vi.waitFor(() => expect(run.getState()).toMatchObject({status: 'succeeded', result: 'all'}))
  expect(states).toContain('waiting')
  unsubscribe()
})

test('a store of a run that was started before', async () => {
  const {fetch} = service()
  const first = createRunStore(urlAt('before'), {fetch})
  const id = await first.start({})
  const second = createRunStore(urlAt('before'), {fetch, runId: id})
  const unsubscribe = second.subscribe(() => {})
  await vi.waitFor(() => expect(second.getState().status).toBe('waiting'))
  await second.cancel()
  await vi.waitFor(() => expect(second.getState().status).toBe('cancelled'))
  unsubscribe()
})

test('the Vue composable of the documents', async () => {
  const page = readFileSync(fileURLToPath(new URL('../../../docs/clients.md', import.meta.url)), 'utf8')
  const code = page.match(/```ts\n([^`]*from 'vue'[^`]*)```/)?.[1] as string
  writeFileSync(MODULE, `// @ts-nocheck\n${code.replace('@headway/client/store', '../src/plain-store.ts')}`)
  const {useRun} = (await import(/* @vite-ignore */ MODULE)) as {useRun: UseRun}
  const scope = effectScope()
  const shown: string[] = []
  const run = scope.run(() => {
    const run = useRun(urlAt('vue'), {fetch: service().fetch})
    watchEffect(() => shown.push(`${run.state.value.status} ${run.state.value.percent ?? 0}`), {flush: 'sync'})
    return run
  }) as ReturnType<UseRun>
  await run.start({})
  await vi.waitFor(() => expect(shown).toContain('waiting 50'))
  await run.answer(false)
  await vi.waitFor(() => expect(run.state.value.result).toBe('some'))
  scope.stop()
  expect(shown[0]).toBe('idle 0')
})
