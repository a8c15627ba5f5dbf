// Any JSON value, shown by its shape: a chart, an image, a table, an object, a list, or a single value.
import {lazy, Suspense} from 'react'
import {label, number} from '../format'
import {isDrawable} from './chart-spec'
import {Code, Json} from './json'
import {Markdown} from './markdown'
import {gridOf, isChart, isObject, isPicture, isScalar, type JsonObject} from './shapes'
import {Table} from './table'

const Chart = lazy(() => import('./chart'))

/** Names of members that hold Markdown. */
const PROSE = /^(answer|text|summary|thinking|report|markdown)$/

/** Names of members that hold code. */
const CODE = /^(sql|query|code|statement)$/

/** Deeper values are shown as JSON. */
const MAX_DEPTH = 4

export function Value({value, name = '', depth = 0}: {value: unknown; name?: string; depth?: number}) {
  if (isChart(value)) return <ChartBox spec={value} />
  if (isPicture(value)) return <img className="picture" src={value} alt={name ? label(name) : 'Picture'} />
  if (isScalar(value)) return <Scalar value={value} name={name} prose={depth <= 1 && PROSE.test(name)} />
  if (isFields(value)) return <Fields fields={value} />
  const grid = gridOf(value)
  if (grid) return <Table grid={grid} label={name ? label(name) : 'Table'} />
  if (Array.isArray(value)) return <List values={value} name={name} depth={depth} />
  if (isObject(value)) return <Facts value={value} depth={depth} />
  return null
}

export function ChartBox({spec}: {spec: JsonObject}) {
  if (!isDrawable(spec)) return <Json value={spec} />
  return (
    <Suspense fallback={<div className="chart chart-loading">Drawing the chart …</div>}>
      <Chart spec={spec} />
    </Suspense>
  )
}

function Scalar({value, name, prose}: {value: unknown; name: string; prose: boolean}) {
  if (value === null || value === '') return <span className="muted">none</span>
  if (typeof value === 'number') return <span className="numeric">{number(value)}</span>
  if (typeof value === 'boolean') return <span>{value ? 'yes' : 'no'}</span>
  const text = String(value)
  if (CODE.test(name)) return <Code text={text} label={label(name)} />
  if (prose) return <Markdown text={text} />
  return text.length > 80 || text.includes('\n') ? <p className="plain">{text}</p> : <span>{text}</span>
}

function List({values, name, depth}: {values: readonly unknown[]; name: string; depth: number}) {
  if (values.length === 0) return <span className="muted">none</span>
  if (depth >= MAX_DEPTH) return <Json value={values} />
  if (values.every((value) => isScalar(value) && String(value).length <= 40))
    return (
      <ul className="tags">
        {values.map((value, at) => (
          <li key={at}>{String(value)}</li>
        ))}
      </ul>
    )
  return (
    <ol className="entries">
      {values.slice(0, 100).map((value, at) => (
        <li key={at}>
          <Value value={value} name={name} depth={depth + 1} />
        </li>
      ))}
      {values.length > 100 && <li className="muted">and {number(values.length - 100)} more</li>}
    </ol>
  )
}

function Facts({value, depth}: {value: JsonObject; depth: number}) {
  // Empty members are not shown; the JSON has them.
  const members = Object.entries(value).filter(([, each]) => each !== null && each !== '' && each !== undefined)
  if (members.length === 0) return <span className="muted">none</span>
  if (depth >= MAX_DEPTH) return <Json value={value} />
  if (depth > 0 && members.length > 1 && members.every(([, each]) => typeof each === 'number'))
    return <Tiles members={members as [string, number][]} />
  const small = members.filter(([name, each]) => isSmall(each) && !PROSE.test(name) && !CODE.test(name))
  const large = members.filter(([name, each]) => !isSmall(each) || PROSE.test(name) || CODE.test(name))
  return (
    <div className="facts-box">
      {small.length > 0 && (
        <dl className="facts">
          {small.map(([name, each]) => (
            <div key={name}>
              <dt>{label(name)}</dt>
              <dd>
                <Value value={each} name={name} depth={depth + 1} />
              </dd>
            </div>
          ))}
        </dl>
      )}
      {large.map(([name, each]) => (
        <section key={name} className="member">
          <p className="member-name">{label(name)}</p>
          <Value value={each} name={name} depth={depth + 1} />
        </section>
      ))}
    </div>
  )
}

/** A list of columns or fields: objects of a name and a type. */
const isFields = (value: unknown): value is {name: string; type: string}[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((each) => isObject(each) && Object.keys(each).sort().join() === 'name,type')

function Fields({fields}: {fields: readonly {name: string; type: string}[]}) {
  return (
    <ul className="tags">
      {fields.map(({name, type}) => (
        <li key={name}>
          {name} <span className="tags-type">{String(type).toLowerCase()}</span>
        </li>
      ))}
    </ul>
  )
}

const isSmall = (value: unknown): boolean =>
  (isScalar(value) && !isPicture(value) && String(value).length <= 400) ||
  (Array.isArray(value) && value.length <= 8 && value.every((each) => isScalar(each) && String(each).length <= 40))

function Tiles({members}: {members: readonly [string, number][]}) {
  return (
    <dl className="tiles">
      {members.map(([name, value]) => (
        <div key={name}>
          <dt>{label(name)}</dt>
          <dd>{number(value)}</dd>
        </div>
      ))}
    </dl>
  )
}
