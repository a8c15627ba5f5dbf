// The sidebar of every page: the operations, the latest runs, the theme and the API key. A bar at the top on a phone.
import {useSyncExternalStore} from 'react'
import {apiKey} from './api'
import {useCatalogue, useTitle} from './catalogue'
import {StatusBadge, ThemeSwitch, useNow} from './controls'
import {ago} from './format'
import {Icon} from './icons'
import {useLatestRuns} from './latest-runs'
import {link, type Route} from './router'

export function Sidebar({route}: {route: Route}) {
  return (
    <div className="sidebar">
      <header className="sidebar-head">
        <a className="sidebar-home" href={link({page: 'home'})} aria-label="Headway: all operations">
          <Wordmark />
        </a>
        <nav className="sidebar-bar" aria-label="Pages">
          <PageLink page="home" route={route} />
          <PageLink page="runs" route={route} />
        </nav>
      </header>
      <nav className="sidebar-nav" aria-label="Operations and runs">
        <OperationLinks route={route} />
        <LatestRuns route={route} />
      </nav>
      <footer className="sidebar-foot">
        <ThemeSwitch />
        <ForgetKey />
      </footer>
    </div>
  )
}

export function Wordmark() {
  return (
    <span className="wordmark">
      <svg viewBox="0 0 32 32" aria-hidden="true">
        <path d="M2 23c4.2 0 4.2-3.2 8.4-3.200S14.6 23 18.8 23s4.2-3.2 8.4-3.2" />
        <path d="M6 15.500c3.5 0 3.5-2.6 7-2.600s3.5 2.6 7 2.6 3.3-2.3 6-2.6" />
        <path d="M10.5 8.500c2.6 0 2.6-2 5.2-2s2.6 2 5.2 2" />
      </svg>
      Headway
    </span>
  )
}

const TITLES = {home: 'Operations', runs: 'Runs'}

function PageLink({page, route}: {page: keyof typeof TITLES; route: Route}) {
  return (
    <a href={link({page})} aria-current={route.page === page ? 'page' : undefined}>
      {TITLES[page]}
    </a>
  )
}

function OperationLinks({route}: {route: Route}) {
  const {operations} = useCatalogue()
  return (
    <section aria-labelledby="sidebar-operations">
      <h2 id="sidebar-operations">
        <PageLink page="home" route={route} />
      </h2>
      <ul>
        {operations.map(({name, title}) => (
          <li key={name}>
            <a
              className="sidebar-link"
              href={link({page: 'operation', name})}
              aria-current={route.page === 'operation' && route.name === name ? 'page' : undefined}
            >
              {title}
            </a>
          </li>
        ))}
      </ul>
    </section>
  )
}

function LatestRuns({route}: {route: Route}) {
  const runs = useLatestRuns()
  const title = useTitle()
  const now = useNow(10_000)
  return (
    <section aria-labelledby="sidebar-runs">
      <h2 id="sidebar-runs">
        <PageLink page="runs" route={route} />
      </h2>
      {runs.length === 0 && <p className="sidebar-none">No runs yet.</p>}
      <ul>
        {runs.map((run) => (
          <li key={run.id}>
            <a
              className="sidebar-run"
              href={link({page: 'run', id: run.id, view: 'output'})}
              aria-current={route.page === 'run' && route.id === run.id ? 'page' : undefined}
            >
              <span className="sidebar-run-title">{title(run.operation)}</span>
              <StatusBadge status={run.status} />
              <span className="sidebar-run-time">{ago(run.created, now)}</span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  )
}

function ForgetKey() {
  const key = useSyncExternalStore(apiKey.subscribe, apiKey.get)
  if (!key) return null
  return (
    <button type="button" className="button button-quiet button-small" onClick={() => apiKey.set('')}>
      <Icon name="key" /> Forget the key
    </button>
  )
}
