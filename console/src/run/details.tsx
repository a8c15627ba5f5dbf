// The details of a run, beside its output.
import type {UseRun} from '@headway/client/react'
import {type ReactNode, useEffect, useState} from 'react'
import {type Snapshot, snapshotOf} from '../api'
import {useBackgroundRuns} from '../background'
import {useCatalogue} from '../catalogue'
import {Copy, LIVE} from '../controls'
import {duration, moment, number} from '../format'
import {lingerText} from '../linger'

export function RunDetails({id, run}: {id: string; run: UseRun}) {
  const {operations} = useCatalogue()
  const operation = operations.find(({name}) => name === run.operation)
  const startedHere = useBackgroundRuns().includes(id)
  const live = run.status === 'idle' || LIVE.has(run.status)
  const viewers = useViewers(id, live, run.connection)
  return (
    <aside className="run-details" aria-label="Details of the run">
      <dl className="details-facts">
        <Fact name="Operation">{run.operation}</Fact>
        <Fact name="Started">{run.startedAt && moment(run.startedAt)}</Fact>
        <Fact name="Duration">{run.elapsed !== undefined && duration(run.elapsed)}</Fact>
        <Fact name="Attempt">{run.attempt > 1 && number(run.attempt)}</Fact>
        <Fact name="Runs in">{operation?.runs_in}</Fact>
        <Fact name="Connection">
          {live && (
            <span className={`connection connection-${run.connection}`}>
              <span className="dot" aria-hidden="true" />
              {run.connection}
            </span>
          )}
        </Fact>
        <Fact name="Viewers">{live && viewers !== undefined && number(viewers)}</Fact>
        <Fact name="Last event">{run.events.length > 0 && `no. ${number(run.events.at(-1)?.id ?? 0)}`}</Fact>
      </dl>
      {live && startedHere && operation && <p className="details-note">{lingerText(operation.linger)}.</p>}
      <div className="details-actions">
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

/** The number of viewers, from the snapshot: events do not have it. */
function useViewers(id: string, live: boolean, connection: string): number | undefined {
  const [viewers, setViewers] = useState<number>()
  useEffect(() => {
    if (!live) return
    const unmount = new AbortController()
    const load = (): void => {
      if (!document.hidden)
        snapshotOf(id, unmount.signal).then(
          (snapshot: Snapshot) => setViewers(snapshot.viewers),
          () => undefined,
        )
    }
    load()
    const timer = setInterval(load, 5000)
    return () => {
      clearInterval(timer)
      unmount.abort()
    }
  }, [id, live, connection])
  return viewers
}
