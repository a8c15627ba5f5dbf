// The focus of the keyboard, where the part of the page that has it goes away.
import {type RefObject, useLayoutEffect} from 'react'

/** Where `element` goes away with the focus in it, the focus moves to the first match of `next`, not to the top. */
export function useFocusAfter(element: RefObject<HTMLElement | null>, next: string): void {
  useLayoutEffect(() => {
    const current = element.current
    return () => {
      if (!current?.contains(document.activeElement)) return
      queueMicrotask(() => document.querySelector<HTMLElement>(next)?.focus()) // what follows is in the page by then
    }
  }, [element, next])
}
