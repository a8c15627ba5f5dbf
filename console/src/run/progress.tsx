// The progress of a live run, or the ending of a finished one.
import type {UseRun} from '@headway/client/react'
import {type ReactNode, useMemo} from 'react'
import {type Progress, serverNow} from '../api'
import {LIVE, useNow} from '../controls'
import {bytes, duration, number, remaining} from '../format'
import {Icon, type IconName} from '../icons'

export function ProgressCard({run}: {run: UseRun}) {
  if (run.status === 'idle') return <Loading />
  return LIVE.has(run.status) ? <LiveProgress run={run} /> : <Ending run={run} />
}

function Loading() {
  return (
    <section className="card progress-card" aria-label="Progress">
      <p className="progress-message muted">Loading the run …</p>
      <div className="bar bar-unknown" />
    </section>
  )
}

function LiveProgress({run}: {run: UseRun}) {
  const {progress, percent, eta, events} = run
  const now = useNow(250)
  const elapsed = run.startedAt ? Math.max(0, (now - Date.parse(run.startedAt)) / 1000) : 0
  const left = useCountdown(eta, progress?.timestamp, now)
  const steps = useSteps(events)
  const unknown = percent === undefined
  return (
    <section className="card progress-card" aria-label="Progress">
      <div className="progress-top">
        {!unknown && (
          <p className="progress-percent" aria-hidden="true">
            {Math.floor(percent)}
            <span>%</span>
          </p>
        )}
        <div className="progress-words">
          <p className="progress-message">{messageOf(run)}</p>
          <p className="progress-facts">
            {progress?.done !== undefined && progress.unit !== 'percent' && <span>{count(progress)}</span>}
            {left !== undefined && run.status === 'running' && <span>{remaining(left)}</span>}
            <span>{duration(elapsed)} elapsed</span>
          </p>
        </div>
      </div>
      <div
        className={`bar ${unknown ? 'bar-unknown' : ''} ${run.status === 'waiting' ? 'bar-still' : ''}`}
        role="progressbar"
        aria-label="Progress of the run"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={unknown ? undefined : Math.floor(percent)}
        aria-valuetext={unknown ? 'unknown' : `${Math.floor(percent)} percent`}
      >
        <Fill percent={percent} />
      </div>
      {steps.length > 1 && <Steps steps={steps} done={false} />}
    </section>
  )
}

/** React sets the width through the DOM: the Content-Security-Policy forbids `style` attributes only. */
function Fill({percent}: {percent: number | undefined}) {
  return <div className="bar-fill" style={percent === undefined ? undefined : {width: `${Math.max(percent, 0.5)}%`}} />
}

function messageOf(run: UseRun): string {
  if (run.status === 'waiting') return 'Waiting for an answer'
  if (run.status === 'cancelling') return 'Cancelling'
  const step = run.progress?.step
  return (
    run.progress?.message ?? (step === undefined ? (run.status === 'queued' ? 'Queued' : 'Running') : `Step ${step}`)
  )
}

function count({done = 0, total, unit}: Progress): string {
  if (unit === 'bytes') return total === undefined ? bytes(done) : `${bytes(done)} of ${bytes(total)}`
  const words = total === undefined ? number(done) : `${number(done)} of ${number(total)}`
  return unit ? `${words} ${unit}` : words
}

/** The seconds left, counted down from the last event with an `eta`. */
function useCountdown(eta: number | undefined, timestamp: string | undefined, now: number): number | undefined {
  return useMemo(() => {
    if (eta === undefined) return undefined
    const since = timestamp ? (Math.min(now, serverNow()) - Date.parse(timestamp)) / 1000 : 0
    return Math.max(0, eta - Math.max(0, since))
  }, [eta, timestamp, now])
}

/** The steps of the progress so far, in order. */
function useSteps(events: UseRun['events']): string[] {
  return useMemo(() => {
    const names = new Set<string>()
    for (const event of events) {
      if (event.type === 'attempt') names.clear()
      const step = event.type === 'progress' ? (event.data as Progress).step : undefined
      if (step !== undefined) names.add(String(step))
    }
    return [...names]
  }, [events])
}

function Steps({steps, done}: {steps: readonly string[]; done: boolean}) {
  return (
    <ol className="steps" aria-label="Steps">
      {steps.slice(-8).map((step, at, all) => {
        const current = !done && at === all.length - 1
        return (
          <li key={step} className={current ? 'step-current' : 'step-done'} aria-current={current ? 'step' : undefined}>
            {!current && <Icon name="check" />}
            {step}
          </li>
        )
      })}
    </ol>
  )
}

const reasons: Record<string, string> = {
  requested: 'Somebody cancelled it.',
  disconnected: 'Its last viewer left, and its linger was over.',
  timeout: 'It reached its timeout.',
  shutdown: 'The service was stopped.',
}

function Ending({run}: {run: UseRun}) {
  const {status, elapsed, error, progress, events} = run
  const time = elapsed === undefined ? '' : duration(elapsed)
  const steps = useSteps(events)
  if (status === 'succeeded')
    return (
      <EndingCard status="succeeded" icon="check" title={`Done${time && ` in ${time}`}`}>
        <p>
          {steps.length <= 1 &&
          progress?.done !== undefined &&
          progress.total !== undefined &&
          progress.unit !== 'percent'
            ? count(progress)
            : `${number(events.length)} events`}
        </p>
        {steps.length > 1 && <Steps steps={steps} done />}
      </EndingCard>
    )
  if (status === 'failed')
    return (
      <EndingCard status="failed" icon="alert" title={`Failed${time && ` after ${time}`}`}>
        <p>{error?.message ?? 'It gave no reason.'}</p>
        {error && (
          <p className="ending-code">
            <code>{error.code}</code>
            {error.retryable && <span>Running it again may succeed.</span>}
          </p>
        )}
      </EndingCard>
    )
  return (
    <EndingCard status="cancelled" icon="stop" title={`Cancelled${time && ` after ${time}`}`}>
      <p>{reasons[run.reason ?? ''] ?? 'It gave no reason.'}</p>
    </EndingCard>
  )
}

type EndingCardProps = {status: string; icon: IconName; title: string; children: ReactNode}

function EndingCard({status, icon, title, children}: EndingCardProps) {
  return (
    <section className={`card ending ending-${status}`} aria-label="Ending">
      <span className="ending-icon">
        <Icon name={icon} />
      </span>
      <div>
        <h2>{title}</h2>
        {children}
      </div>
    </section>
  )
}
