// What the run asks, as a form made of the question's schema. Yes and no are two buttons.
import Form from '@rjsf/core/lib/components/Form.js'
import type {RJSFSchema} from '@rjsf/utils'
import {type FormEvent, useEffect, useId, useMemo, useRef, useState} from 'react'
import {Problem, type Question, type Schema} from '../api'
import {Notice, useNow} from '../controls'
import {duration} from '../format'
import {errorsAt, type Values} from '../forms/input'
import {forAnswer, uiFor} from '../forms/schema'
import {fields, templates, widgets} from '../forms/theme'
import {NO_BUTTON, validator} from '../forms/validator'
import {Icon} from '../icons'

type Answer = (answer: unknown) => Promise<void>

export function QuestionCard({question, answer}: {question: Question; answer: Answer}) {
  const id = useId()
  return (
    <section
      className={`card question ${question.prompt.length > 70 ? 'question-long' : ''}`}
      aria-labelledby={id}
      key={question.question}
    >
      <header>
        <span className="question-sign">
          <Icon name="question" />
        </span>
        <h2 id={id}>{question.prompt}</h2>
      </header>
      <Answering question={question} answer={answer} />
      {question.expires && <Expiry at={question.expires} />}
    </section>
  )
}

function Answering({question, answer}: {question: Question; answer: Answer}) {
  const schema = useMemo(() => forAnswer(question.schema as Schema), [question.schema])
  const {give, giving, problem} = useAnswer(answer)
  if (schema.type === 'boolean') return <YesOrNo give={give} giving={giving} problem={problem} />
  if (schema.enum && schema.enum.length <= 6)
    return <Choice choices={schema.enum} give={give} giving={giving} problem={problem} />
  return <AnswerForm schema={schema} give={give} giving={giving} problem={problem} />
}

interface Giving {
  give: (answer: unknown) => void
  giving: boolean
  problem?: Problem
}

function YesOrNo({give, giving, problem}: Giving) {
  return (
    <div className="question-answers">
      <button type="button" className="button button-primary" disabled={giving} onClick={() => give(true)}>
        Yes
      </button>
      <button type="button" className="button button-quiet" disabled={giving} onClick={() => give(false)}>
        No
      </button>
      {problem && <Refused problem={problem} />}
    </div>
  )
}

function Choice({choices, give, giving, problem}: Giving & {choices: readonly unknown[]}) {
  return (
    <div className="question-answers">
      {choices.map((choice) => (
        <button
          key={String(choice)}
          type="button"
          className="button button-quiet"
          disabled={giving}
          onClick={() => give(choice)}
        >
          {String(choice)}
        </button>
      ))}
      {problem && <Refused problem={problem} />}
    </div>
  )
}

function AnswerForm({schema, give, giving, problem}: Giving & {schema: Schema}) {
  const whole = schema.type === 'object'
  // The form library wants an object at its root.
  const wrapped = useMemo<Schema>(
    () => (whole ? schema : {type: 'object', properties: {answer: {title: 'Your answer', ...schema}}}),
    [schema, whole],
  )
  const ui = useMemo(() => uiFor(wrapped), [wrapped])
  const [values, setValues] = useState<Values>({})
  const errors = errorsAt(
    (problem?.errors ?? []).map(({loc, msg}) => ({
      loc: whole ? loc.filter((part) => part !== 'answer') : ['answer'],
      msg,
    })),
    wrapped,
  )
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    give(whole ? values : values.answer)
  }
  return (
    <form onSubmit={submit} noValidate>
      <Form
        tagName="div"
        schema={wrapped as RJSFSchema}
        uiSchema={ui}
        formData={values}
        formContext={{files: {}, choose: () => undefined}}
        validator={validator}
        noValidate
        showErrorList={false}
        extraErrors={errors.fields}
        experimental_componentUpdateStrategy="always"
        idPrefix="answer"
        onChange={(change) => setValues(change.formData as Values)}
        templates={templates}
        widgets={widgets}
        fields={fields}
      >
        {NO_BUTTON}
      </Form>
      {problem && Object.keys(errors.fields).length === 0 && <Refused problem={problem} />}
      <div className="question-answers">
        <button type="submit" className="button button-primary" disabled={giving}>
          Answer
        </button>
      </div>
    </form>
  )
}

function Refused({problem}: {problem: Problem}) {
  return (
    <Notice kind="bad" title="This answer was not taken">
      {problem.errors.length ? problem.errors.map(({msg}) => <p key={msg}>{msg}</p>) : problem.message}
    </Notice>
  )
}

function Expiry({at}: {at: string}) {
  const left = (Date.parse(at) - useNow(true)) / 1000
  return (
    <p className="question-expiry">{left > 0 ? `Open for ${duration(left).replace(/\.\d/, '')} more` : 'Closing'}</p>
  )
}

/** One answer at a time. The question goes away with the event that says it was answered, here or elsewhere. */
function useAnswer(answer: Answer): Giving {
  const [giving, setGiving] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const mounted = useRef(true)
  useEffect(() => {
    mounted.current = true
    return () => {
      mounted.current = false
    }
  }, [])
  const give = (given: unknown): void => {
    setGiving(true)
    setProblem(undefined)
    answer(given).catch((error: unknown) => {
      if (!mounted.current) return
      setGiving(false)
      setProblem(error instanceof Problem ? error : new Problem(0, {detail: 'The answer did not reach the service.'}))
    })
  }
  return {give, giving, problem}
}
