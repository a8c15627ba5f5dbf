// Where the page stands, in the part of the address after `#`: `/runs/ID` itself is the API's.
import {useSyncExternalStore} from 'react'

export type Route =
  | {page: 'home'}
  | {page: 'operation'; name: string}
  | {page: 'runs'; operation?: string; status?: string}
  | {page: 'run'; id: string; view: 'output' | 'events'}
  | {page: 'nowhere'}

/** The route that a hash names. */
export function parse(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#/, '').split('?')
  const [first, second, third, ...rest] = path.split('/').filter(Boolean).map(decode)
  if (first === undefined) return {page: 'home'}
  if (rest.length) return {page: 'nowhere'}
  if (first === 'operations' && second && !third) return {page: 'operation', name: second}
  if (first === 'runs' && !second) {
    const asked = new URLSearchParams(query)
    return {page: 'runs', operation: asked.get('operation') ?? undefined, status: asked.get('status') ?? undefined}
  }
  if (first === 'runs' && second && (!third || third === 'events'))
    return {page: 'run', id: second, view: third ? 'events' : 'output'}
  return {page: 'nowhere'}
}

/** The hash of a route, for links. */
export function link(route: Route): string {
  switch (route.page) {
    case 'operation':
      return `#/operations/${encodeURIComponent(route.name)}`
    case 'run':
      return `#/runs/${encodeURIComponent(route.id)}${route.view === 'events' ? '/events' : ''}`
    case 'runs': {
      const query = new URLSearchParams()
      if (route.operation) query.set('operation', route.operation)
      if (route.status) query.set('status', route.status)
      return `#/runs${query.size ? `?${query}` : ''}`
    }
    default:
      return '#/'
  }
}

export function go(route: Route): void {
  location.hash = link(route)
}

export function useHash(): string {
  return useSyncExternalStore(subscribe, () => location.hash)
}

function subscribe(changed: () => void): () => void {
  addEventListener('hashchange', changed)
  return () => removeEventListener('hashchange', changed)
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part // somebody typed a lone percent sign
  }
}
