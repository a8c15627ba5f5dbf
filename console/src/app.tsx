// The layout around every page, and the choice of the page by its route.
import {useEffect, useRef, useSyncExternalStore} from 'react'
import {apiKey} from './api'
import {ApiKeyPage} from './api-key'
import {BackgroundRuns} from './background'
import {CatalogueContext, useLoadedCatalogue} from './catalogue'
import {Notice, ThemeSwitch} from './controls'
import {ErrorBoundary} from './error-boundary'
import {Home} from './home'
import {OperationPage} from './operation'
import {parse, type Route, useHash} from './router'
import {RunPage} from './run/page'
import {Runs} from './runs'
import {Sidebar, Wordmark} from './sidebar'
import {tokenOf} from './tokens'

export function App() {
  const key = useSyncExternalStore(apiKey.subscribe, apiKey.get)
  const catalogue = useLoadedCatalogue(key)
  const route = parse(useHash())
  if (catalogue.problem?.status === 401) {
    const opened = route.page === 'run' && tokenOf(route.id) !== ''
    return opened ? <OpenedByToken route={route} /> : <ApiKeyPage refused={key !== ''} />
  }
  return (
    <CatalogueContext value={catalogue}>
      <button type="button" className="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to the content
      </button>
      <div className="shell" key={key}>
        <Sidebar route={route} />
        <Main route={route}>
          {catalogue.problem ? (
            <Notice kind="error" title="The service cannot be reached" retry={catalogue.reload}>
              {catalogue.problem.message}
            </Notice>
          ) : null}
          <ErrorBoundary key={pageKey(route)}>
            <Page route={route} />
          </ErrorBoundary>
        </Main>
        <BackgroundRuns />
      </div>
    </CatalogueContext>
  )
}

/** A run alone, for somebody who has a token of it and no key. */
function OpenedByToken({route}: {route: Route}) {
  return (
    <div className="opened">
      <header className="key-page-head">
        <Wordmark />
        <ThemeSwitch />
      </header>
      <Main route={route}>
        <ErrorBoundary key={pageKey(route)}>
          <Page route={route} />
        </ErrorBoundary>
      </Main>
    </div>
  )
}

/** Identifies the page of a route: the views of a run, and the filters of the list, are one page each. */
const pageKey = (route: Route): string =>
  route.page === 'run' ? `run ${route.id}` : route.page === 'operation' ? `${route.name} ${route.from}` : route.page

function Page({route}: {route: Route}) {
  switch (route.page) {
    case 'home':
      return <Home />
    case 'operation':
      return <OperationPage key={`${route.name} ${route.from}`} name={route.name} from={route.from} />
    case 'runs':
      return <Runs operation={route.operation} status={route.status} />
    case 'run':
      return <RunPage key={route.id} id={route.id} view={route.view} />
    default:
      return (
        <header className="page-head">
          <h1>Page not found</h1>
          <p className="lead">
            The console has no page at this address. <a href="#/">All operations</a>
          </p>
        </header>
      )
  }
}

/** The main landmark. It takes the focus when the page changes, as after loading a page. */
function Main({route, children}: {route: Route; children: React.ReactNode}) {
  const main = useRef<HTMLElement>(null)
  const key = pageKey(route)
  const lastKey = useRef(key)
  useEffect(() => {
    if (lastKey.current === key) return
    lastKey.current = key
    main.current?.focus({preventScroll: true})
    scrollTo(0, 0)
  }, [key])
  return (
    <main id="main" className="main" ref={main} tabIndex={-1}>
      {children}
    </main>
  )
}
