// The details of a run, beside its output.
import type {UseRun} from '@headway/client/react'
import {type ReactNode, useEffect, useState} from 'react'
import {apiKey, linkToWatch, type Snapshot, snapshotOf} from '../api'
import {useBackgroundRuns} from '../background'
import {useCatalogue} from '../catalogue'
import {Copy, LIVE} from '../controls'
import {duration, moment, number} from '../format'
import {lingerText} from '../linger'
import {tokenOf} from '../tokens'
import {Json} from '../values/json'

export function RunDetails({id, run}: {id: string; run: UseRun}) {
  const {operations} = useCatalogue()
  const operation = operations.find(({name}) => name === run.operation)
  const startedHere = useBackgroundRuns().includes(id)
  const live = run.status === 'idle' || LIVE.has(run.status)
  const snapshot = useSnapshot(id, live, run.connection)
  const viewers = snapshot?.viewers
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
        <Fact name="Tokens">{tokens(snapshot?.usage)}</Fact>
        <Fact name="Viewers">{live && viewers !== undefined && number(viewers)}</Fact>
        <Fact name="Last event">{run.events.length > 0 && `no. ${number(run.events.at(-1)?.id ?? 0)}`}</Fact>
      </dl>
      {live && startedHere && operation && <p className="details-note">{lingerText(operation.linger)}.</p>}
      {snapshot?.input != null && (
        <details className="details-input">
          <summary>Input</summary>
          <Json value={snapshot.input} />
        </details>
      )}
      <div className="details-actions">
        <Copy text={() => location.href.replace(/\/events$/, '')} label="Copy the link" />
        <Copy text={id} label="Copy the id" />
        {apiKey.get() !== '' && !tokenOf(id) && <Copy text={() => linkToWatch(id)} label="Copy a link without a key" />}
      </div>
    </aside>
  )
}

/** What the run's calls of language models have taken. */
function tokens(usage: Snapshot['usage']): string {
  const read = usage?.input_tokens
  const written = usage?.output_tokens
  const parts = [read !== undefined && `${number(read)} read`, written !== undefined && `${number(written)} written`]
  return parts.filter(Boolean).join(', ')
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

/** The snapshot, for what no event has: the viewers, now and then, and the input. */
function useSnapshot(id: string, live: boolean, connection: string): Snapshot | undefined {
  const [snapshot, setSnapshot] = useState<Snapshot>()
  useEffect(() => {
    const unmount = new AbortController()
    const load = (): void => {
      if (!document.hidden) snapshotOf(id, unmount.signal).then(setSnapshot, () => undefined)
    }
    load()
    const timer = live ? setInterval(load, 5000) : undefined
    return () => {
      clearInterval(timer)
      unmount.abort()
    }
  }, [id, live, connection])
  return snapshot
}
