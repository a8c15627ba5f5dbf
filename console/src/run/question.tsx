// The open question of a run: two buttons for yes and no, a button for each of a few choices, else a form.
import {type FormEvent, useEffect, useId, useMemo, useRef, useState} from 'react'
import {Problem, type Question, type Schema} from '../api'
import {Notice, useNow} from '../controls'
import {useFocusAfter} from '../focus'
import {duration, visible} from '../format'
import {errorsAt, type Values} from '../forms/input'
import {answerSchema} from '../forms/schema'
import {SchemaForm} from '../forms/schema-form'
import {Icon} from '../icons'

type Answer = (answer: unknown) => Promise<void>

export function QuestionCard({question, answer}: {question: Question; answer: Answer}) {
  const id = useId()
  const card = useRef<HTMLElement>(null)
  useFocusAfter(card, '.question, #progress')
  return (
    <section
      ref={card}
      tabIndex={-1}
      className={`card question ${question.prompt.length > 70 ? 'question-long' : ''}`}
      aria-labelledby={id}
    >
      <header>
        <span className="question-icon">
          <Icon name="question" />
        </span>
        <h2 id={id}>{visible(question.prompt)}</h2>
      </header>
      <Controls question={question} answer={answer} />
      {question.expires && <Expiry at={question.expires} />}
    </section>
  )
}

function Controls({question, answer}: {question: Question; answer: Answer}) {
  const schema = useMemo(() => answerSchema(question.schema as Schema), [question.schema])
  const submission = useSubmission(answer)
  if (schema.type === 'boolean') return <YesOrNo {...submission} />
  if (schema.enum && schema.enum.length <= 6) return <Choice choices={schema.enum} {...submission} />
  return <AnswerForm schema={schema} {...submission} />
}

interface Submission {
  submit: (answer: unknown) => void
  submitting: boolean
  problem?: Problem
}

function YesOrNo({submit, submitting, problem}: Submission) {
  return (
    <div className="question-answers">
      <button type="button" className="button button-primary" aria-disabled={submitting} onClick={() => submit(true)}>
        Yes
      </button>
      <button type="button" className="button button-quiet" aria-disabled={submitting} onClick={() => submit(false)}>
        No
      </button>
      {problem && <Refused problem={problem} />}
    </div>
  )
}

function Choice({choices, submit, submitting, problem}: Submission & {choices: readonly unknown[]}) {
  return (
    <div className="question-answers">
      {choices.map((choice) => (
        <button
          key={String(choice)}
          type="button"
          className="button button-quiet"
          aria-disabled={submitting}
          onClick={() => submit(choice)}
        >
          {visible(String(choice))}
        </button>
      ))}
      {problem && <Refused problem={problem} />}
    </div>
  )
}

function AnswerForm({schema, submit, submitting, problem}: Submission & {schema: Schema}) {
  const isObject = schema.type === 'object'
  // The form library needs an object at its root.
  const wrapped = useMemo<Schema>(
    () => (isObject ? schema : {type: 'object', properties: {answer: {title: 'Your answer', ...schema}}}),
    [schema, isObject],
  )
  const [values, setValues] = useState<Values>({})
  const errors = errorsAt(
    (problem?.errors ?? []).map(({loc, msg}) => ({
      loc: isObject ? loc.filter((part) => part !== 'answer') : ['answer'],
      msg,
    })),
    wrapped,
  )
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault()
    submit(isObject ? values : values.answer)
  }
  return (
    <form onSubmit={onSubmit} noValidate>
      <SchemaForm schema={wrapped} values={values} setValues={setValues} errors={errors.fields} idPrefix="answer" />
      {problem && Object.keys(errors.fields).length === 0 && <Refused problem={problem} />}
      <div className="question-answers">
        <button type="submit" className="button button-primary" aria-disabled={submitting}>
          Answer
        </button>
      </div>
    </form>
  )
}

function Refused({problem}: {problem: Problem}) {
  return (
    <Notice kind="error" title="The answer was refused">
      {problem.errors.length ? problem.errors.map(({msg}) => <p key={msg}>{msg}</p>) : problem.message}
    </Notice>
  )
}

function Expiry({at}: {at: string}) {
  const left = (Date.parse(at) - useNow()) / 1000
  return <p className="question-expiry">{left > 0 ? `Expires in ${duration(left).replace(/\.\d/, '')}` : 'Expired'}</p>
}

/** Submits one answer at a time. The question closes with the `answer` event, here and for all other viewers. */
function useSubmission(answer: Answer): Submission {
  const [submitting, setSubmitting] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const mounted = useRef(true)
  useEffect(() => {
    mounted.current = true
    return () => {
      mounted.current = false
    }
  }, [])
  const submit = (value: unknown): void => {
    if (submitting) return
    setSubmitting(true)
    setProblem(undefined)
    answer(value).catch((error: unknown) => {
      if (!mounted.current) return
      setSubmitting(false)
      setProblem(error instanceof Problem ? error : new Problem(0, {detail: 'The answer did not reach the service.'}))
    })
  }
  return {submit, submitting, problem}
}
