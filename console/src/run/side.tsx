// The facts of a run, beside it.
import type {UseRun} from '@headway/client/react'
import {type ReactNode, useEffect, useState} from 'react'
import {type Snapshot, snapshotOf} from '../api'
import {useBegun} from '../begun'
import {useCatalogue} from '../catalogue'
import {Copy, LIVE} from '../controls'
import {duration, moment, number} from '../format'
import {afterLeaving} from '../leaving'

const LINES: Record<UseRun['connection'], string> = {
  idle: 'not yet',
  connecting: 'connecting',
  open: 'live',
  interrupted: 'cut, coming back',
  offline: 'offline',
  lost: 'lost',
  closed: 'closed',
}

export function Side({id, run}: {id: string; run: UseRun}) {
  const {operations} = useCatalogue()
  const operation = operations.find(({name}) => name === run.operation)
  const ours = useBegun().includes(id)
  const live = run.status === 'idle' || LIVE.has(run.status)
  const viewers = useViewers(id, live, run.connection)
  return (
    <aside className="run-side" aria-label="About this run">
      <dl className="side-facts">
        <Fact name="Operation">{run.operation}</Fact>
        <Fact name="Started">{run.startedAt && moment(run.startedAt)}</Fact>
        <Fact name="Took">{run.elapsed !== undefined && duration(run.elapsed)}</Fact>
        <Fact name="Attempt">{run.attempt > 1 && number(run.attempt)}</Fact>
        <Fact name="Runs in">{operation?.runs_in}</Fact>
        <Fact name="Line">
          {live && (
            <span className={`line line-${run.connection}`}>
              <span className="dot" aria-hidden="true" />
              {LINES[run.connection]}
            </span>
          )}
        </Fact>
        <Fact name="Viewers">{live && viewers !== undefined && number(viewers)}</Fact>
        <Fact name="Last event">{run.events.length > 0 && `no. ${number(run.events.at(-1)?.id ?? 0)}`}</Fact>
      </dl>
      {live && ours && operation && <p className="side-note">{afterLeaving(operation.linger)}.</p>}
      <div className="side-acts">
        <Copy text={() => location.href.replace(/\/events$/, '')} label="Copy the link" />
        <Copy text={id} label="Copy the id" />
      </div>
    </aside>
  )
}

function Fact({name, children}: {name: string; children: ReactNode}) {
  if (children === undefined || children === false || children === '') return null
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

/** How many watch, which only the snapshot tells. */
function useViewers(id: string, live: boolean, connection: string): number | undefined {
  const [viewers, setViewers] = useState<number>()
  useEffect(() => {
    if (!live) return
    const leaving = new AbortController()
    const look = (): void => {
      if (!document.hidden)
        snapshotOf(id, leaving.signal).then(
          (found: Snapshot) => setViewers(found.viewers),
          () => undefined,
        )
    }
    look()
    const timer = setInterval(look, 5000)
    return () => {
      clearInterval(timer)
      leaving.abort()
    }
  }, [id, live, connection])
  return viewers
}
