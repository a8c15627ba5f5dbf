// The service's operations, loaded once and shared by every page.
import {createContext, useCallback, useContext, useEffect, useState} from 'react'
import {catalogue, type Operation, type Problem} from './api'

export interface Catalogue {
  operations: readonly Operation[]
  loading: boolean
  problem?: Problem
  reload: () => void
}

const empty: Catalogue = {operations: [], loading: true, reload: () => undefined}

export const CatalogueContext = createContext<Catalogue>(empty)

export const useCatalogue = (): Catalogue => useContext(CatalogueContext)

/** The title of an operation, or its name where the catalogue lacks it. */
export function useTitle(): (name: string) => string {
  const {operations} = useCatalogue()
  return (name) => operations.find((operation) => operation.name === name)?.title ?? name
}

/** Loads the catalogue, again for each API key. */
export function useLoadedCatalogue(key: string): Catalogue {
  const [state, setState] = useState<Omit<Catalogue, 'reload'>>(empty)
  const [loads, setLoads] = useState(0)
  const reload = useCallback(() => setLoads((count) => count + 1), [])
  useEffect(() => {
    let stale = false
    catalogue().then(
      (operations) => stale || setState({operations, loading: false}),
      (problem: Problem) => stale || setState({operations: [], loading: false, problem}),
    )
    return () => {
      stale = true
    }
  }, [key, loads])
  useEffect(() => {
    addEventListener('online', reload)
    return () => removeEventListener('online', reload)
  }, [reload])
  return {...state, reload}
}
