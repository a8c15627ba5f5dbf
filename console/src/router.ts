// The route is the part of the address after `#`, since `/runs/ID` is a route of the API.
import {useSyncExternalStore} from 'react'

export type Route =
  | {page: 'home'}
  | {page: 'operation'; name: string; from?: string}
  | {page: 'runs'; operation?: string; status?: string}
  | {page: 'run'; id: string; view: 'output' | 'events'}
  | {page: 'not found'}

/** The route that a hash names. */
export function parse(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#/, '').split('?')
  const [first, second, third, ...rest] = path.split('/').filter(Boolean).map(decode)
  if (first === undefined) return {page: 'home'}
  if (rest.length) return {page: 'not found'}
  if (first === 'operations' && second && !third)
    return {page: 'operation', name: second, from: new URLSearchParams(query).get('run') ?? undefined}
  if (first === 'runs' && !second) {
    const filter = new URLSearchParams(query)
    return {page: 'runs', operation: filter.get('operation') ?? undefined, status: filter.get('status') ?? undefined}
  }
  if (first === 'runs' && second && (!third || third === 'events'))
    return {page: 'run', id: second, view: third ? 'events' : 'output'}
  return {page: 'not found'}
}

/** The hash of a route, for links. */
export function link(route: Route): string {
  switch (route.page) {
    case 'operation':
      return `#/operations/${encodeURIComponent(route.name)}${route.from ? `?run=${encodeURIComponent(route.from)}` : ''}`
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

function subscribe(listener: () => void): () => void {
  addEventListener('hashchange', listener)
  return () => removeEventListener('hashchange', listener)
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part // a lone percent sign
  }
}
