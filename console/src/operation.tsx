// The page of one operation: its form, and what it says of itself.
import Form from '@rjsf/core/lib/components/Form.js'
import type {RJSFSchema} from '@rjsf/utils'
import {type FormEvent, useId, useMemo, useRef, useState} from 'react'
import {address, apiKey, type Operation, Problem, startRun} from './api'
import {keep, MOST, useBegun} from './begun'
import {useCatalogue} from './catalogue'
import {Copy, Notice, useDocumentTitle} from './controls'
import {bodyOf, curlOf, errorsAt, type Files, filledIn, type Values} from './forms/input'
import {forForm, uiFor} from './forms/schema'
import {fields, templates, widgets} from './forms/theme'
import {NO_BUTTON, validator} from './forms/validator'
import {Icon} from './icons'
import {refreshLatest} from './latest'
import {afterLeaving} from './leaving'
import {go, link} from './router'

export function OperationPage({name}: {name: string}) {
  const {operations, loading, problem} = useCatalogue()
  const operation = operations.find((each) => each.name === name)
  useDocumentTitle(operation?.title ?? name)
  if (!operation) return loading || problem ? null : <Unknown name={name} />
  return (
    <>
      <header className="page-head">
        <p className="overline">
          <a href={link({page: 'home'})}>Operations</a>
        </p>
        <h1>{operation.title}</h1>
        <p className="lead">{operation.description}</p>
      </header>
      <Start operation={operation} />
    </>
  )
}

function Unknown({name}: {name: string}) {
  return (
    <header className="page-head">
      <h1>No such operation</h1>
      <p className="lead">
        This service does not offer “{name}”. <a href="#/">See what it does</a>
      </p>
    </header>
  )
}

function Start({operation}: {operation: Operation}) {
  const schema = useMemo(() => forForm(operation.input), [operation])
  const ui = useMemo(() => uiFor(schema), [schema])
  const [values, setValues] = useState<Values>({})
  const [files, setFiles] = useState<Files>({})
  const input = useMemo(() => filledIn(values, schema), [values, schema])
  const {submit, starting, problem} = useStart(operation.name, input, files)
  const full = useBegun().length >= MOST
  const form = useRef<HTMLDivElement>(null)
  const errors = useMemo(() => errorsAt(problem?.errors ?? [], schema), [problem, schema])
  const begin = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    if (!(await submit())) showFirstError(form.current)
  }
  return (
    <div className="start" ref={form}>
      <form className="card start-form" onSubmit={begin} noValidate aria-label={operation.title}>
        <Form
          tagName="div"
          schema={schema as RJSFSchema}
          uiSchema={ui}
          formData={values}
          formContext={{
            files,
            choose: (field: string, chosen: readonly File[]) => setFiles({...files, [field]: chosen}),
          }}
          validator={validator}
          noValidate
          showErrorList={false}
          extraErrors={errors.fields}
          extraErrorsBlockSubmit={false}
          experimental_componentUpdateStrategy="always"
          idPrefix="root"
          onChange={(change) => setValues(change.formData as Values)}
          templates={templates}
          widgets={widgets}
          fields={fields}
        >
          {NO_BUTTON}
        </Form>
        {problem && <Refusal problem={problem} general={errors.general} />}
        {full && (
          <Notice kind="info" title={`${MOST} runs are under way on this page`}>
            Each holds one of the six connections that a browser has for a server. Wait for one to end.
          </Notice>
        )}
        <div className="start-foot">
          <button type="submit" className="button button-primary" disabled={starting || full}>
            {starting ? 'Starting …' : 'Start'}
            <Icon name="arrow" />
          </button>
          <span className="start-note">{afterLeaving(operation.linger)}</span>
        </div>
      </form>
      <Terminal operation={operation.name} values={input} files={files} />
    </div>
  )
}

/** What the service has against the input, besides what stands at its fields. */
function Refusal({problem, general}: {problem: Problem; general: readonly string[]}) {
  const atFields = problem.status === 422 && general.length === 0
  return (
    <Notice kind="bad" title={atFields ? 'Please look at the fields above' : 'This could not be started'}>
      {atFields ? null : general.length ? general.map((message) => <p key={message}>{message}</p>) : problem.message}
    </Notice>
  )
}

function Terminal({operation, values, files}: {operation: string; values: Values; files: Files}) {
  const id = useId()
  const command = curlOf(address(`operations/${operation}`), values, files, apiKey.get() !== '')
  return (
    <section className="terminal" aria-labelledby={id}>
      <header>
        <h2 id={id}>The same from a terminal</h2>
        <Copy text={command} label="Copy" />
      </header>
      <pre tabIndex={0} role="group" aria-labelledby={id}>
        {command}
      </pre>
    </section>
  )
}

/** Starts a run and goes to its page. `submit` gives whether that worked. */
function useStart(operation: string, values: Values, files: Files) {
  const [starting, setStarting] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  // One key for one input: when the answer was lost on the way, the next try joins the run that the first has begun.
  const last = useRef({values, files, key: randomKey()})
  if (last.current.values !== values || last.current.files !== files) last.current = {values, files, key: randomKey()}
  const submit = async (): Promise<boolean> => {
    setStarting(true)
    setProblem(undefined)
    try {
      const {id} = await startRun(operation, bodyOf(values, files), last.current.key)
      last.current.key = randomKey()
      keep(id)
      refreshLatest()
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

/** `crypto.randomUUID` is there on https and on this machine only. */
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Moves the focus to the first field that was refused; the form library shows it a few frames later. */
function showFirstError(form: HTMLElement | null, frames = 20): void {
  const field = form?.querySelector<HTMLElement>('[aria-invalid=true]')
  if (field) field.focus()
  else if (frames > 0) requestAnimationFrame(() => showFirstError(form, frames - 1))
}
