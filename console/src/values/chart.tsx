// A Vega-Lite chart. Vega is half a megabyte, so it is loaded with the first chart. Its expressions are interpreted
// (`ast: true`), since compiling them needs `eval`, which the Content-Security-Policy forbids. The specification is one
// that `chart-spec` allows: it has its data, and no expression.
import {useEffect, useMemo, useRef, useState} from 'react'
import {loader, parse, View} from 'vega'
import {expressionInterpreter} from 'vega-interpreter'
import {compile, type TopLevelSpec} from 'vega-lite'
import {useTheme} from '../theme'
import {Json} from './json'
import type {JsonObject} from './shapes'

const noLoader = {...loader(), load: () => Promise.reject(new Error('a chart may not load data'))}

export default function Chart({spec}: {spec: JsonObject}) {
  const {dark} = useTheme()
  const box = useRef<HTMLDivElement>(null)
  const width = useWidth(box)
  const [failed, setFailed] = useState(false)
  const label = useMemo(() => labelOf(spec), [spec])
  useEffect(() => {
    if (!box.current || width === 0) return
    const canvas = box.current
    let view: View | undefined
    try {
      view = draw(canvas, spec, width)
      view.runAsync().catch(() => setFailed(true))
    } catch {
      setFailed(true)
    }
    return () => void view?.finalize()
  }, [spec, width, dark])
  if (failed) return <Json value={spec} />
  return (
    <figure className="chart">
      <div className="chart-canvas" ref={box} role="img" aria-label={label} />
    </figure>
  )
}

function draw(box: HTMLElement, spec: JsonObject, width: number): View {
  const sized = {
    ...spec,
    description: labelOf(spec),
    width,
    height: spec.height ?? 280,
    autosize: {type: 'fit', contains: 'padding'},
    background: 'transparent',
  }
  const {spec: compiled} = compile(sized as unknown as TopLevelSpec, {config: configOf(box, rowWidth(spec, width))})
  const runtime = parse(compiled, undefined, {ast: true})
  // On a canvas, since its SVG has `style` attributes, which the policy forbids.
  return new View(runtime, {
    expr: expressionInterpreter,
    loader: noLoader,
    renderer: 'canvas',
    container: box,
    hover: true,
  })
}

/** Pixels for each row of the data; 0 where the rows are unknown. */
function rowWidth(spec: JsonObject, width: number): number {
  const values = (spec.data as {values?: unknown} | undefined)?.values
  return Array.isArray(values) && values.length ? width / values.length : 0
}

/** The page's colours and font. */
function configOf(box: HTMLElement, rowWidth: number): Record<string, unknown> {
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
    axisX: {labelAngle: rowWidth > 80 ? 0 : undefined}, // wide bars have horizontal labels
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

/** A colour of the page as a canvas needs it: the browser computes the value of `light-dark()`. */
function colorOf(box: HTMLElement, token: string): string {
  const probe = document.createElement('span')
  probe.style.color = `var(--${token})`
  box.append(probe)
  const color = getComputedStyle(probe).color
  probe.remove()
  return color
}

function labelOf(spec: JsonObject): string {
  if (typeof spec.description === 'string') return spec.description
  const title = typeof spec.title === 'string' ? spec.title : undefined
  const mark =
    typeof spec.mark === 'string' ? spec.mark : ((spec.mark as JsonObject | undefined)?.type as string | undefined)
  const fields = Object.values((spec.encoding as Record<string, JsonObject> | undefined) ?? {}).map(
    (channel) => channel?.field,
  )
  const words = `${mark ?? 'Chart'} chart of ${fields.filter((field) => typeof field === 'string').join(' and ') || 'the data'}`
  return title ?? words.charAt(0).toUpperCase() + words.slice(1)
}

/** The width of an element, in steps of 8 pixels, so that a scroll bar does not redraw the chart. */
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
