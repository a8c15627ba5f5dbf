// Small parts that several pages use.
import {type ReactNode, useEffect, useState, useSyncExternalStore} from 'react'
import {type Status, serverNow} from './api'
import {Icon, type IconName} from './icons'
import {type Theme, useTheme} from './theme'

export const LIVE: ReadonlySet<Status> = new Set<Status>(['queued', 'running', 'waiting', 'cancelling'])

export const STATUSES: readonly Status[] = [
  'queued',
  'running',
  'waiting',
  'cancelling',
  'succeeded',
  'failed',
  'cancelled',
]

const words: Record<Status | 'idle', string> = {
  idle: 'Connecting',
  queued: 'Queued',
  running: 'Running',
  waiting: 'Waiting for you',
  cancelling: 'Cancelling',
  succeeded: 'Succeeded',
  failed: 'Failed',
  cancelled: 'Cancelled',
}

export const statusWord = (status: Status | 'idle'): string => words[status]

export function StatusBadge({status}: {status: Status | 'idle'}) {
  return (
    <span className={`badge badge-${status}`}>
      <span className="dot" aria-hidden="true" />
      {words[status]}
    </span>
  )
}

/** A message in the page's flow. */
export function Notice({
  kind,
  title,
  children,
  retry,
}: {
  kind: 'bad' | 'info' | 'warn'
  title: string
  children?: ReactNode
  retry?: () => void
}) {
  return (
    <div className={`notice notice-${kind}`} role={kind === 'bad' ? 'alert' : undefined}>
      <Icon name="alert" />
      <div>
        <p className="notice-title">{title}</p>
        {children && <div className="notice-text">{children}</div>}
      </div>
      {retry && (
        <button type="button" className="button button-quiet button-small" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  )
}

/** A button that copies, and says so for a moment. */
export function Copy({text, label, icon = true}: {text: string | (() => string); label: string; icon?: boolean}) {
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), 1600)
    return () => clearTimeout(timer)
  }, [copied])
  const copy = (): void => {
    void navigator.clipboard?.writeText(typeof text === 'string' ? text : text()).then(
      () => setCopied(true),
      () => undefined,
    )
  }
  return (
    <button type="button" className="button button-quiet button-small" onClick={copy}>
      {icon && <Icon name={copied ? 'check' : 'copy'} />}
      <span aria-live="polite">{copied ? 'Copied' : label}</span>
    </button>
  )
}

/** Hands out a file that was made on the page. */
export function Download({name, type, text, label}: {name: string; type: string; text: () => string; label: string}) {
  const save = (): void => {
    const url = URL.createObjectURL(new Blob([text()], {type}))
    const link = Object.assign(document.createElement('a'), {href: url, download: name})
    link.click()
    setTimeout(() => URL.revokeObjectURL(url), 1000)
  }
  return (
    <button type="button" className="button button-quiet button-small" onClick={save}>
      <Icon name="download" /> {label}
    </button>
  )
}

const themes: readonly {theme: Theme; icon: IconName; label: string}[] = [
  {theme: 'light', icon: 'sun', label: 'Light'},
  {theme: 'system', icon: 'system', label: 'As the system'},
  {theme: 'dark', icon: 'moon', label: 'Dark'},
]

export function ThemeSwitch() {
  const {theme, choose} = useTheme()
  return (
    <div className="theme-switch" role="radiogroup" aria-label="Colours">
      {themes.map((one) => (
        <label key={one.theme} title={one.label}>
          <input
            type="radio"
            name="theme"
            className="visually-hidden"
            checked={theme === one.theme}
            onChange={() => choose(one.theme)}
          />
          <Icon name={one.icon} />
          <span className="visually-hidden">{one.label}</span>
        </label>
      ))}
    </div>
  )
}

/** The server's time, anew every `every` milliseconds while `running`. */
export function useNow(running: boolean, every = 1000): number {
  const [now, setNow] = useState(serverNow)
  useEffect(() => {
    setNow(serverNow())
    if (!running) return
    const timer = setInterval(() => setNow(serverNow()), every)
    return () => clearInterval(timer)
  }, [running, every])
  return now
}

export function useOnline(): boolean {
  return useSyncExternalStore(
    (changed) => {
      addEventListener('online', changed)
      addEventListener('offline', changed)
      return () => {
        removeEventListener('online', changed)
        removeEventListener('offline', changed)
      }
    },
    () => navigator.onLine,
  )
}

export function useDocumentTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · Headway` : 'Headway'
  }, [title])
}
