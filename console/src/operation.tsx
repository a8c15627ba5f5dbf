// The page of one operation: its description, and the form that starts a run.
import {type FormEvent, useEffect, useId, useMemo, useRef, useState} from 'react'
import {apiKey, type Operation, Problem, snapshotOf, startRun, urlOf} from './api'
import {MAX_RUNS, useBackgroundRuns, watchInBackground} from './background'
import {useCatalogue} from './catalogue'
import {Copy, Notice, useDocumentTitle} from './controls'
import {label} from './format'
import {bodyOf, changedValues, curlOf, errorsAt, type Files, type Values, valuesOf} from './forms/input'
import {formSchema} from './forms/schema'
import {SchemaForm} from './forms/schema-form'
import {Icon} from './icons'
import {refreshLatestRuns} from './latest-runs'
import {lingerText} from './linger'
import {go, link} from './router'

export function OperationPage({name, from}: {name: string; from?: string}) {
  const {operations, loading, problem} = useCatalogue()
  const asked = useAsked(from)
  const operation = operations.find((each) => each.name === name)
  useDocumentTitle(operation?.title ?? name)
  if (!operation) return loading || problem ? null : <NotFound name={name} />
  return (
    <>
      <header className="page-head">
        <p className="overline">
          <a href={link({page: 'home'})}>Operations</a>
        </p>
        <h1>{operation.title}</h1>
        <p className="lead">{operation.description}</p>
      </header>
      {asked === 'loading' ? null : <Start operation={operation} asked={asked} />}
    </>
  )
}

function NotFound({name}: {name: string}) {
  return (
    <header className="page-head">
      <h1>Operation not found</h1>
      <p className="lead">
        This service has no operation “{name}”. <a href="#/">All operations</a>
      </p>
    </header>
  )
}

/** The input of the run that is to be started again; undefined without one. */
function useAsked(run?: string): unknown | 'loading' {
  const [asked, setAsked] = useState<unknown>(run ? 'loading' : undefined)
  useEffect(() => {
    if (!run) return
    const unmount = new AbortController()
    snapshotOf(run, unmount.signal).then(
      ({input}) => setAsked(input ?? undefined),
      () => unmount.signal.aborted || setAsked(undefined),
    )
    return () => unmount.abort()
  }, [run])
  return asked
}

function Start({operation, asked}: {operation: Operation; asked: unknown}) {
  const schema = useMemo(() => formSchema(operation.input), [operation])
  const again = useMemo(() => valuesOf(asked, schema), [asked, schema])
  const [values, setValues] = useState<Values>(again.values)
  const [files, setFiles] = useState<Files>({})
  const input = useMemo(() => changedValues(values, schema), [values, schema])
  const {submit, starting, problem} = useStart(operation.name, input, files)
  const full = useBackgroundRuns().length >= MAX_RUNS
  const form = useRef<HTMLDivElement>(null)
  const errors = useMemo(() => errorsAt(problem?.errors ?? [], schema), [problem, schema])
  const start = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    if (starting || full) return
    if (!(await submit())) showFirstError(form.current)
  }
  return (
    <div className="start" ref={form}>
      {again.missing.length > 0 && (
        <Notice kind="info" title="Filled in from the run before">
          Not kept, and to be given again: {again.missing.map((name) => label(name)).join(', ')}.
        </Notice>
      )}
      <form className="card start-form" onSubmit={start} noValidate aria-label={operation.title}>
        <SchemaForm
          schema={schema}
          values={values}
          setValues={setValues}
          errors={errors.fields}
          idPrefix="root"
          files={{files, choose: (field, chosen) => setFiles({...files, [field]: chosen})}}
        />
        {problem && <Refusal problem={problem} general={errors.general} />}
        {full && (
          <Notice kind="info" title={`${MAX_RUNS} runs are live on this page`}>
            The page keeps the events of each. Wait until one of them ends.
          </Notice>
        )}
        <div className="start-foot">
          <button type="submit" className="button button-primary" aria-disabled={starting || full}>
            {starting ? 'Starting …' : 'Start'}
            <Icon name="arrow" />
          </button>
          <span className="start-note">{lingerText(operation.linger)}</span>
        </div>
      </form>
      <Terminal operation={operation.name} values={input} files={files} />
    </div>
  )
}

/** Why the service refused the start, besides the errors that are shown at the fields. */
function Refusal({problem, general}: {problem: Problem; general: readonly string[]}) {
  const atFields = problem.status === 422 && general.length === 0
  return (
    <Notice kind="error" title={atFields ? 'Check the fields above' : 'The run could not be started'}>
      {atFields ? null : general.length ? general.map((message) => <p key={message}>{message}</p>) : problem.message}
    </Notice>
  )
}

function Terminal({operation, values, files}: {operation: string; values: Values; files: Files}) {
  const id = useId()
  const command = curlOf(urlOf(`operations/${operation}`), values, files, apiKey.get() !== '')
  return (
    <section className="terminal" aria-labelledby={id}>
      <header>
        <h2 id={id}>Start it with curl</h2>
        <Copy text={command} label="Copy" />
      </header>
      <pre tabIndex={0} role="group" aria-labelledby={id}>
        {command}
      </pre>
    </section>
  )
}

/** Starts a run and goes to its page. `submit` returns whether the run started. */
function useStart(operation: string, values: Values, files: Files) {
  const [starting, setStarting] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  // One key for one input: if the response of a start is lost, the next start joins its run.
  const last = useRef({values, files, key: randomKey()})
  if (last.current.values !== values || last.current.files !== files) last.current = {values, files, key: randomKey()}
  const submit = async (): Promise<boolean> => {
    setStarting(true)
    setProblem(undefined)
    try {
      const {id} = await startRun(operation, bodyOf(values, files), last.current.key)
      last.current.key = randomKey()
      watchInBackground(id)
      refreshLatestRuns()
      go({page: 'run', id, view: 'output'})
      return true
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      setProblem(error)
      return false
    } finally {
      setStarting(false)
    }
  }
  return {submit, starting, problem}
}

/** 128 random bits. Pages without TLS have no `crypto.randomUUID`. */
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Moves the focus to the first invalid field, which the form library marks a few frames later. */
function showFirstError(form: HTMLElement | null, frames = 20): void {
  const field = form?.querySelector<HTMLElement>('[aria-invalid=true]')
  if (field) field.focus()
  else if (frames > 0) requestAnimationFrame(() => showFirstError(form, frames - 1))
}
