// The one client of this page: where the service is, and what all requests have in common.

import {createClient} from '@headway/client/react'

import type {Operations} from './operations'

export const client = createClient<Operations>({
  url: '', // the origin of the page: Vite passes /operations and /runs on to the service
  linger: 30, // seconds that a run outlives its page, so that a reload finds it
})
