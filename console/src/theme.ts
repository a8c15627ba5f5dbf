// Light, dark, or the system's theme: an attribute of the root element, which `theme.js` sets before the first paint.
import {useCallback, useSyncExternalStore} from 'react'

export type Theme = 'system' | 'light' | 'dark'

const KEY = 'headway.theme'
const system = matchMedia('(prefers-color-scheme: dark)')
const listeners = new Set<() => void>()

function chosen(): Theme {
  const theme = document.documentElement.dataset.theme
  return theme === 'light' || theme === 'dark' ? theme : 'system'
}

function choose(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  try {
    localStorage.setItem(KEY, theme)
  } catch {
    // Without storage the choice is lost when the page is left.
  }
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  system.addEventListener('change', listener)
  return () => {
    listeners.delete(listener)
    system.removeEventListener('change', listener)
  }
}

/** The user's choice, whether it makes the page dark, and a function to change it. */
export function useTheme(): {theme: Theme; dark: boolean; choose: (theme: Theme) => void} {
  const theme = useSyncExternalStore(subscribe, chosen)
  const dark = useSyncExternalStore(subscribe, () => chosen() === 'dark' || (chosen() === 'system' && system.matches))
  return {theme, dark, choose: useCallback(choose, [])}
}
