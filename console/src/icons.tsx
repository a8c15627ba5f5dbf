// The icons, drawn here: each is a path on a 24 by 24 grid. All are decoration beside words or an `aria-label`.

const paths = {
  alert: 'M12 8v5m0 3.2v.1M10.3 4.2 2.9 17a2 2 0 0 0 1.7 3h14.800a2 2 0 0 0 1.7-3L13.7 4.200a2 2 0 0 0-3.4 0Z',
  arrow: 'M5 12h14m-6-6 6 6-6 6',
  check: 'm5 12.5 4.5 4.500L19 7.5',
  chevron: 'm9 6 6 6-6 6',
  close: 'M6 6l12 12M18 6 6 18',
  copy: 'M9 9h10v10H9zM15 9V5H5v10h4',
  download: 'M12 4v11m-5-4.5 5 5 5-5M5 20h14',
  file: 'M7 3h7l4 4v14H7zM14 3v4h4',
  key: 'M14.5 9.500a4.5 4.5 0 1 0-4.2 4.490L12 15.500h2v2h2v2h3.500V17l-5.1-5.100c.07-.25.1-.82.1-1.400ZM8.5 8.500v.01',
  moon: 'M20 14.500A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.500Z',
  plus: 'M12 5v14M5 12h14',
  question: 'M9.2 9a2.9 2.9 0 1 1 4.3 2.600c-.9.5-1.5 1.2-1.5 2.200m0 3v.1M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z',
  repeat: 'M4 11a7 7 0 0 1 12-4l3 3m0-5v5h-5M20 13a7 7 0 0 1-12 4l-3-3m0 5v-5h5',
  stop: 'M7 7h10v10H7z',
  sun: 'M12 3v2m0 14v2M3 12h2m14 0h2M5.6 5.6 7 7m10 10 1.4 1.400m0-12.800L17 7M7 17l-1.4 1.400M16 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0Z',
  system: 'M4 5h16v11H4zM9 20h6m-3-4v4',
  thought: 'M8 18.500v.01M5 21v.01M7.5 15.500a4 4 0 0 1-.6-7.95 5 5 0 0 1 9.6-1.05 4.5 4.5 0 0 1 .5 9Z',
  tool: 'M14.5 6.500a4 4 0 0 1 5-1.200l-2.7 2.7.6 2 2 .6 2.6-2.600a4 4 0 0 1-5.5 4.700L8 21l-3-3 8.3-8.500a4 4 0 0 1 1.2-3Z',
  upload: 'M12 16V5m-5 4.5 5-5 5 5M5 20h14',
  eye: 'M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12ZM15 12a3 3 0 1 1-6 0 3 3 0 0 1 6 0Z',
} as const

export type IconName = keyof typeof paths

export function Icon({name}: {name: IconName}) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  )
}
