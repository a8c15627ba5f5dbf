// The progress of a live run, or the ending of a finished one.
import type {UseRun} from '@headway/client/react'
import {type ReactNode, useMemo} from 'react'
import {type Progress, serverNow} from '../api'
import {LIVE, useNow} from '../controls'
import {bytes, duration, label, number, remaining} from '../format'
import {Icon, type IconName} from '../icons'
import {useFold} from './fold'
import {foldSteps, type Step, type Steps} from './steps'

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
  const steps = useFold(events, foldSteps)
  const inSteps = steps.all.length > 0
  return (
    <section className="card progress-card" id="progress" tabIndex={-1} aria-label="Progress">
      <div className="progress-top">
        {percent !== undefined && !inSteps && (
          <p className="progress-percent" aria-hidden="true">
            {Math.floor(percent)}
            <span>%</span>
          </p>
        )}
        <div className="progress-words">
          <p className="progress-message">{messageOf(run)}</p>
          <p className="progress-facts">
            {progress?.done !== undefined && progress.unit !== 'percent' && <span>{count(progress)}</span>}
            {left !== undefined && run.status === 'running' && (
              <span>
                {remaining(left)}
                {steps.all.length > 1 && ' in this step'}
              </span>
            )}
            <span>{duration(elapsed)} elapsed</span>
          </p>
        </div>
      </div>
      {inSteps ? (
        <StepBars steps={steps} still={run.status === 'waiting'} />
      ) : (
        <Bar percent={percent} name="Progress of the run" still={run.status === 'waiting'} />
      )}
    </section>
  )
}

function Bar({percent, name, still}: {percent: number | undefined; name: string; still: boolean}) {
  const unknown = percent === undefined
  return (
    <div
      className={`bar ${unknown ? 'bar-unknown' : ''} ${still ? 'bar-still' : ''}`}
      role="progressbar"
      aria-label={name}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={unknown ? undefined : Math.floor(percent)}
      aria-valuetext={unknown ? 'unknown' : `${Math.floor(percent)} percent`}
    >
      <Fill percent={percent} />
    </div>
  )
}

const MAX_STEPS = 8

/** A bar for each step: nobody knows how much is left of a run whose steps follow one another. */
function StepBars({steps: {all, current}, still}: {steps: Steps; still: boolean}) {
  return (
    <>
      {all.length > MAX_STEPS && <p className="muted">{number(all.length - MAX_STEPS)} steps before these</p>}
      <ol className="step-bars" aria-label="Steps">
        {all.slice(-MAX_STEPS).map((step) => (
          <StepBar key={step.name} step={step} current={step.name === current} still={still} />
        ))}
      </ol>
    </>
  )
}

function StepBar({step, current, still}: {step: Step; current: boolean; still: boolean}) {
  const {name, percent} = step
  const done = !current && (percent === undefined || percent === 100)
  return (
    <li className={current ? 'step-current' : undefined} aria-current={current ? 'step' : undefined}>
      <span className="step-name">{label(name)}</span>
      {done ? (
        <span className="bar" aria-hidden="true">
          <Fill percent={100} />
        </span>
      ) : (
        <Bar percent={percent} name={label(name)} still={still || !current} />
      )}
      <span className="step-percent">
        {done ? (
          <>
            <Icon name="check" />
            <span className="visually-hidden">done</span>
          </>
        ) : (
          percent !== undefined && `${Math.floor(percent)} %`
        )}
      </span>
    </li>
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
    run.progress?.message ??
    (step === undefined ? (run.status === 'queued' ? 'Queued' : 'Running') : label(String(step)))
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

const reasons: Record<string, string> = {
  requested: 'Somebody cancelled it.',
  disconnected: 'The last viewer left, and nobody came back in time.',
  timeout: 'It took longer than its time limit.',
  shutdown: 'The service was stopped.',
}

function Ending({run}: {run: UseRun}) {
  const {status, elapsed, error, progress, events} = run
  const time = elapsed === undefined ? '' : duration(elapsed)
  const steps = useFold(events, foldSteps).all
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
        {steps.length > 1 && (
          <ol className="steps" aria-label="Steps">
            {steps.slice(-MAX_STEPS).map(({name}) => (
              <li key={name}>
                <Icon name="check" /> {label(name)}
              </li>
            ))}
          </ol>
        )}
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
    <section className={`card ending ending-${status}`} id="progress" tabIndex={-1} aria-label="Ending">
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
