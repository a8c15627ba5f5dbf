// The operations that the service offers, loaded once and shared by every page.
import {createContext, useCallback, useContext, useEffect, useState} from 'react'
import {catalogue, type Operation, type Problem} from './api'

export interface Catalogue {
  operations: readonly Operation[]
  loading: boolean
  problem?: Problem
  reload: () => void
}

const nothing: Catalogue = {operations: [], loading: true, reload: () => undefined}

export const CatalogueContext = createContext<Catalogue>(nothing)

export const useCatalogue = (): Catalogue => useContext(CatalogueContext)

/** The title of an operation, or its name where the catalogue has none (any more). */
export function useTitle(): (name: string) => string {
  const {operations} = useCatalogue()
  return (name) => operations.find((operation) => operation.name === name)?.title ?? name
}

/** Loads the catalogue, anew for each API key. */
export function useLoadedCatalogue(key: string): Catalogue {
  const [loaded, setLoaded] = useState<Omit<Catalogue, 'reload'>>(nothing)
  const [asked, setAsked] = useState(0)
  const reload = useCallback(() => setAsked((times) => times + 1), [])
  useEffect(() => {
    let over = false
    catalogue().then(
      (operations) => over || setLoaded({operations, loading: false}),
      (problem: Problem) => over || setLoaded({operations: [], loading: false, problem}),
    )
    return () => {
      over = true
    }
  }, [key, asked])
  useEffect(() => {
    addEventListener('online', reload)
    return () => removeEventListener('online', reload)
  }, [reload])
  return {...loaded, reload}
}
