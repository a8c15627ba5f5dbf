// Light, dark, or the system's: the choice stands on the root element, where `theme.js` puts it before the first paint.
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
    // Storage may be forbidden: the choice holds until the page is left.
  }
  for (const tell of listeners) tell()
}

function subscribe(changed: () => void): () => void {
  listeners.add(changed)
  system.addEventListener('change', changed)
  return () => {
    listeners.delete(changed)
    system.removeEventListener('change', changed)
  }
}

/** The choice, a way to change it, and whether the page is dark by now. */
export function useTheme(): {theme: Theme; dark: boolean; choose: (theme: Theme) => void} {
  const theme = useSyncExternalStore(subscribe, chosen)
  const dark = useSyncExternalStore(subscribe, () => chosen() === 'dark' || (chosen() === 'system' && system.matches))
  return {theme, dark, choose: useCallback(choose, [])}
}
