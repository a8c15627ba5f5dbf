import {useEffect, useRef, useState} from 'react'

/** The value, which changes every `interval` milliseconds at most: at once after a pause, and to the last one. */
export function useThrottled<T>(value: T, interval: number): T {
  const [shown, setShown] = useState(value)
  const latest = useRef(value)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const changed = useRef(0)
  useEffect(() => {
    latest.current = value
    if (value === shown || timer.current) return
    const show = (): void => {
      timer.current = undefined
      changed.current = performance.now()
      setShown(latest.current)
    }
    timer.current = setTimeout(show, Math.max(0, changed.current + interval - performance.now()))
  }, [value, shown, interval])
  useEffect(
    () => () => {
      clearTimeout(timer.current)
      timer.current = undefined
    },
    [],
  )
  return shown
}
