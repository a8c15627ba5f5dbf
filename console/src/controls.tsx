// Small components and hooks that several pages use.
import {type ReactNode, useEffect, useState} from 'react'
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

const labels: Record<Status | 'idle', string> = {
  idle: 'Connecting',
  queued: 'Queued',
  running: 'Running',
  waiting: 'Waiting',
  cancelling: 'Cancelling',
  succeeded: 'Succeeded',
  failed: 'Failed',
  cancelled: 'Cancelled',
}

export const statusLabel = (status: Status | 'idle'): string => labels[status]

export function StatusBadge({status}: {status: Status | 'idle'}) {
  return (
    <span className={`badge badge-${status}`}>
      <span className="dot" aria-hidden="true" />
      {labels[status]}
    </span>
  )
}

/** A message within the page. */
export function Notice({
  kind,
  title,
  children,
  retry,
}: {
  kind: 'error' | 'info' | 'warn'
  title: string
  children?: ReactNode
  retry?: () => void
}) {
  return (
    <div className={`notice notice-${kind}`} role={kind === 'error' ? 'alert' : undefined}>
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

interface CopyProps {
  text: string | (() => string | Promise<string>)
  label: string
  icon?: boolean
}

/** A button that copies a text, and then shows "Copied" for a moment. */
export function Copy({text, label, icon = true}: CopyProps) {
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), 1600)
    return () => clearTimeout(timer)
  }, [copied])
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(typeof text === 'string' ? text : await text())
      setCopied(true)
    } catch {
      // The browser does not allow it (over plain HTTP it has no clipboard), or the service does not give the text.
    }
  }
  return (
    <button type="button" className="button button-quiet button-small" onClick={copy}>
      {icon && <Icon name={copied ? 'check' : 'copy'} />}
      <span aria-live="polite">{copied ? 'Copied' : label}</span>
    </button>
  )
}

/** A button that downloads a file made on the page. */
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
  {theme: 'system', icon: 'system', label: 'System'},
  {theme: 'dark', icon: 'moon', label: 'Dark'},
]

export function ThemeSwitch() {
  const {theme, choose} = useTheme()
  return (
    <div className="theme-switch" role="radiogroup" aria-label="Theme">
      {themes.map(({theme: each, icon, label}) => (
        <label key={each} title={label}>
          <input
            type="radio"
            name="theme"
            className="visually-hidden"
            checked={theme === each}
            onChange={() => choose(each)}
          />
          <Icon name={icon} />
          <span className="visually-hidden">{label}</span>
        </label>
      ))}
    </div>
  )
}

/** The server's time, updated every `interval` milliseconds. */
export function useNow(interval = 1000): number {
  const [now, setNow] = useState(serverNow)
  useEffect(() => {
    const timer = setInterval(() => setNow(serverNow()), interval)
    return () => clearInterval(timer)
  }, [interval])
  return now
}

export function useDocumentTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · Headway` : 'Headway'
  }, [title])
}
