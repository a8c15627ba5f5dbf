// A Vega-Lite chart. Vega is half a megabyte and is fetched with the first chart; its expressions are interpreted
// (`ast: true`), since compiling them needs `eval`, which the policy forbids. Data come with the specification: what a
// run says must not make the browser load addresses.
import {useEffect, useMemo, useRef, useState} from 'react'
import {loader, parse, View} from 'vega'
import {expressionInterpreter} from 'vega-interpreter'
import {compile, type TopLevelSpec} from 'vega-lite'
import {useTheme} from '../theme'
import type {Json} from './shapes'
import {Raw} from './value'

const refusing = {...loader(), load: () => Promise.reject(new Error('a chart brings its own data'))}

export default function Chart({spec}: {spec: Json}) {
  const {dark} = useTheme()
  const box = useRef<HTMLDivElement>(null)
  const width = useWidth(box)
  const [wrong, setWrong] = useState(false)
  const label = useMemo(() => labelOf(spec), [spec])
  useEffect(() => {
    if (!box.current || width === 0) return
    const canvas = box.current
    let view: View | undefined
    try {
      view = draw(canvas, spec, width)
      view.runAsync().catch(() => setWrong(true))
    } catch {
      setWrong(true)
    }
    return () => void view?.finalize()
  }, [spec, width, dark])
  if (wrong) return <Raw value={spec} />
  return (
    <figure className="chart">
      <div className="chart-canvas" ref={box} role="img" aria-label={label} />
    </figure>
  )
}

function draw(box: HTMLElement, spec: Json, width: number): View {
  const whole = {
    ...spec,
    description: labelOf(spec),
    width,
    height: spec.height ?? 280,
    autosize: {type: 'fit', contains: 'padding'},
    background: 'transparent',
  }
  const {spec: compiled} = compile(whole as unknown as TopLevelSpec, {config: configOf(box, roomOf(spec, width))})
  const runtime = parse(compiled, undefined, {ast: true})
  // On a canvas: as SVG it would set `style` attributes, which the policy refuses.
  return new View(runtime, {
    expr: expressionInterpreter,
    loader: refusing,
    renderer: 'canvas',
    container: box,
    hover: true,
  })
}

/** Pixels for each row of the data; none where they cannot be counted. */
function roomOf(spec: Json, width: number): number {
  const values = (spec.data as {values?: unknown} | undefined)?.values
  return Array.isArray(values) && values.length ? width / values.length : 0
}

/** The page's own colours and letters. */
function configOf(box: HTMLElement, room: number): Record<string, unknown> {
  const font = getComputedStyle(box).fontFamily
  const token = (name: string): string => colorOf(box, name)
  const axis = {
    labelColor: token('ink-soft'),
    titleColor: token('ink-soft'),
    gridColor: token('line'),
    domainColor: token('line-strong'),
    tickColor: token('line-strong'),
    labelFont: font,
    titleFont: font,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 500,
    titlePadding: 10,
    labelPadding: 6,
  }
  return {
    axis,
    axisX: {labelAngle: room > 80 ? 0 : undefined}, // bars far enough apart have their names lying under them
    legend: {labelColor: token('ink-soft'), titleColor: token('ink-soft'), labelFont: font, titleFont: font},
    title: {color: token('ink'), font, fontSize: 15, fontWeight: 600, anchor: 'start', offset: 14},
    view: {stroke: 'transparent'},
    mark: {color: token('accent'), tooltip: true},
    bar: {cornerRadiusEnd: 3},
    line: {strokeWidth: 2.5, strokeJoin: 'round'},
    point: {filled: true, size: 60, opacity: 0.75},
    range: {category: ['accent', 'chart-2', 'chart-3', 'chart-4', 'chart-5'].map(token)},
  }
}

/** A colour of the page as a canvas takes it: the browser works out what `light-dark()` comes to. */
function colorOf(box: HTMLElement, token: string): string {
  const probe = document.createElement('span')
  probe.style.color = `var(--${token})`
  box.append(probe)
  const color = getComputedStyle(probe).color
  probe.remove()
  return color
}

function labelOf(spec: Json): string {
  if (typeof spec.description === 'string') return spec.description
  const title = typeof spec.title === 'string' ? spec.title : undefined
  const mark = typeof spec.mark === 'string' ? spec.mark : ((spec.mark as Json | undefined)?.type as string | undefined)
  const fields = Object.values((spec.encoding as Record<string, Json> | undefined) ?? {}).map(
    (channel) => channel?.field,
  )
  const words = `${mark ?? 'Chart'} chart of ${fields.filter((field) => typeof field === 'string').join(' and ') || 'the data'}`
  return title ?? words.charAt(0).toUpperCase() + words.slice(1)
}

/** The width of an element, to the next 8 pixels, so that a scroll bar does not make everything be drawn anew. */
function useWidth(box: React.RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0)
  useEffect(() => {
    if (!box.current) return
    const watch = new ResizeObserver(([entry]) => entry && setWidth(Math.floor(entry.contentRect.width / 8) * 8))
    watch.observe(box.current)
    return () => watch.disconnect()
  }, [box])
  return width
}
