import {useEffect, useRef, useState} from 'react'

/** The value, which changes every `interval` milliseconds at most, and ends as the last one. */
export function useThrottled<T>(value: T, interval: number): T {
  const [shown, setShown] = useState(value)
  const latest = useRef(value)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => {
    latest.current = value
    if (value === shown || timer.current) return
    timer.current = setTimeout(() => {
      timer.current = undefined
      setShown(latest.current)
    }, interval)
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
