// The shell: what stands around every page, and which page stands in it.
import {useEffect, useRef, useSyncExternalStore} from 'react'
import {apiKey} from './api'
import {Keepers} from './begun'
import {Boundary} from './boundary'
import {CatalogueContext, useLoadedCatalogue} from './catalogue'
import {Notice} from './controls'
import {Home} from './home'
import {KeyGate} from './key'
import {OperationPage} from './operation'
import {parse, type Route, useHash} from './router'
import {RunPage} from './run/page'
import {Runs} from './runs'
import {Sidebar} from './sidebar'

export function App() {
  const key = useSyncExternalStore(apiKey.subscribe, apiKey.get)
  const catalogue = useLoadedCatalogue(key)
  const route = parse(useHash())
  if (catalogue.problem?.status === 401) return <KeyGate refused={key !== ''} />
  return (
    <CatalogueContext value={catalogue}>
      <button type="button" className="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to the content
      </button>
      <div className="shell" key={key}>
        <Sidebar route={route} />
        <Main route={route}>
          {catalogue.problem ? (
            <Notice kind="bad" title="The service cannot be reached" retry={catalogue.reload}>
              {catalogue.problem.message}
            </Notice>
          ) : null}
          <Boundary key={place(route)}>
            <Page route={route} />
          </Boundary>
        </Main>
        <Keepers />
      </div>
    </CatalogueContext>
  )
}

/** Where a route leads, whichever way it is looked at. */
const place = (route: Route): string =>
  route.page === 'run' ? `run ${route.id}` : route.page === 'operation' ? route.name : route.page

function Page({route}: {route: Route}) {
  switch (route.page) {
    case 'home':
      return <Home />
    case 'operation':
      return <OperationPage key={route.name} name={route.name} />
    case 'runs':
      return <Runs operation={route.operation} status={route.status} />
    case 'run':
      return <RunPage key={route.id} id={route.id} view={route.view} />
    default:
      return (
        <header className="page-head">
          <h1>There is nothing here</h1>
          <p className="lead">
            The address names no page of the console. <a href="#/">Back to the operations</a>
          </p>
        </header>
      )
  }
}

/** The main landmark; a change of page puts the focus on it, as loading a page would. */
function Main({route, children}: {route: Route; children: React.ReactNode}) {
  const main = useRef<HTMLElement>(null)
  const here = place(route)
  const before = useRef(here)
  useEffect(() => {
    if (before.current === here) return
    before.current = here
    main.current?.focus({preventScroll: true})
    scrollTo(0, 0)
  }, [here])
  return (
    <main id="main" className="main" ref={main} tabIndex={-1}>
      {children}
    </main>
  )
}
