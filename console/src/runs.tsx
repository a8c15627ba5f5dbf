// The list of runs, a page at a time, with filters.
import {useCallback, useEffect, useRef, useState} from 'react'
import {listRuns, type Problem, type Snapshot} from './api'
import {useCatalogue, useTitle} from './catalogue'
import {Notice, STATUSES, StatusBadge, statusLabel, useDocumentTitle, useNow} from './controls'
import {useFocusAfter} from './focus'
import {ago, duration, moment} from './format'
import {go, link} from './router'

const PAGE = 20

interface Filter {
  operation?: string
  status?: string
}

export function Runs({operation, status}: Filter) {
  useDocumentTitle('Runs')
  return (
    <>
      <header className="page-head">
        <h1>Runs</h1>
        <p className="lead">Newest first. A finished run is kept until its retention ends.</p>
      </header>
      <Filters operation={operation} status={status} />
      <Pages key={`${operation} ${status}`} operation={operation} status={status} />
    </>
  )
}

function Filters({operation, status}: Filter) {
  const {operations} = useCatalogue()
  return (
    <form className="filters" aria-label="Filter the runs" onSubmit={(event) => event.preventDefault()}>
      <label>
        <span>Operation</span>
        <select
          className="input input-select"
          value={operation ?? ''}
          onChange={(event) => go({page: 'runs', operation: event.target.value || undefined, status})}
        >
          <option value="">All</option>
          {operations.map(({name, title}) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>Status</span>
        <select
          className="input input-select"
          value={status ?? ''}
          onChange={(event) => go({page: 'runs', operation, status: event.target.value || undefined})}
        >
          <option value="">Any</option>
          {STATUSES.map((each) => (
            <option key={each} value={each}>
              {statusLabel(each)}
            </option>
          ))}
        </select>
      </label>
    </form>
  )
}

function Pages({operation, status}: Filter) {
  const {runs, more, problem, loading, loadOlder, reload} = useRuns(operation, status)
  const title = useTitle()
  const now = useNow(10_000)
  if (problem)
    return (
      <Notice kind="error" title="The runs could not be listed" retry={reload}>
        {problem.message}
      </Notice>
    )
  if (!loading && runs.length === 0)
    return (
      <p className="empty">
        No runs match. <a href="#/">Start a run</a>
      </p>
    )
  return (
    <>
      <div className="table-box" role="group" aria-label="Runs" tabIndex={0}>
        <table className="table runs">
          <thead>
            <tr>
              <th scope="col">Operation</th>
              <th scope="col">Status</th>
              <th scope="col">Started</th>
              <th scope="col">Duration</th>
              <th scope="col">Last message</th>
            </tr>
          </thead>
          <tbody>
            {runs.map((run) => (
              <tr key={run.id}>
                <td>
                  <a href={link({page: 'run', id: run.id, view: 'output'})}>{title(run.operation)}</a>
                </td>
                <td>
                  <StatusBadge status={run.status} />
                </td>
                <td title={moment(run.created)}>{ago(run.created, now)}</td>
                <td className="numeric">{durationOf(run)}</td>
                <td className="runs-message">{run.error?.message ?? run.progress?.message ?? ''}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {more && <OlderRuns load={loadOlder} loading={loading} />}
    </>
  )
}

function OlderRuns({load, loading}: {load: () => void; loading: boolean}) {
  const button = useRef<HTMLButtonElement>(null)
  useFocusAfter(button, '.main > .table-box')
  return (
    <button
      ref={button}
      type="button"
      className="button button-quiet"
      aria-disabled={loading}
      onClick={() => loading || load()}
    >
      Older runs
    </button>
  )
}

const durationOf = (run: Snapshot): string => duration((Date.parse(run.updated) - Date.parse(run.created)) / 1000)

function useRuns(operation?: string, status?: string) {
  const [state, setState] = useState<{runs: Snapshot[]; more: boolean; loading: boolean; problem?: Problem}>({
    runs: [],
    more: false,
    loading: true,
  })
  const load = useCallback(
    (newer: Snapshot[], signal?: AbortSignal) => {
      setState({runs: newer, more: newer.length > 0, loading: true})
      listRuns({operation, status, limit: PAGE, before: newer.at(-1)?.id}, signal).then(
        (older) => setState({runs: [...newer, ...older], more: older.length === PAGE, loading: false}),
        (problem: Problem) => signal?.aborted || setState({runs: newer, more: false, loading: false, problem}),
      )
    },
    [operation, status],
  )
  useEffect(() => {
    const unmount = new AbortController()
    load([], unmount.signal)
    return () => unmount.abort()
  }, [load])
  return {...state, loadOlder: () => load(state.runs), reload: () => load([])}
}
