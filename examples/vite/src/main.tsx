import {HeadwayProvider} from '@headway/client/react'
import {StrictMode} from 'react'
import {createRoot} from 'react-dom/client'

import {client} from './client'
import {Extract} from './extract'
import {Simulation} from './simulation'
import './style.css'

createRoot(document.getElementById('page') as HTMLElement).render(
  <StrictMode>
    <HeadwayProvider client={client}>
      <h1>Headway with Vite</h1>
      <Extract />
      <Simulation />
    </HeadwayProvider>
  </StrictMode>,
)
