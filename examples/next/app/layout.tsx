import type {ReactNode} from 'react'

import './style.css'
import {Headway} from './headway'

export const metadata = {title: 'Headway with Next.js'}

export default function Layout({children}: {children: ReactNode}) {
  return (
    <html lang="en">
      <body>
        <Headway>{children}</Headway>
      </body>
    </html>
  )
}
