'use client'

// The one client of this application. A module with a function in it, such as `headers`, belongs to the browser.

import {createClient, HeadwayProvider} from '@headway/client/react'
import type {ReactNode} from 'react'

import type {Operations} from '../operations'

const client = createClient<Operations>({url: ''}) // `next.config.mjs` passes /operations and /runs on to the service

export function Headway({children}: {children: ReactNode}) {
  return <HeadwayProvider client={client}>{children}</HeadwayProvider>
}
