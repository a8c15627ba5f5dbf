import {StrictMode} from 'react'
import {createRoot} from 'react-dom/client'
import {App} from './app'
import {takeToken} from './tokens'
import './styles/fonts.css'
import './styles/tokens.css'
import './styles/base.css'
import './styles/shell.css'
import './styles/forms.css'
import './styles/run.css'
import './styles/values.css'
import './styles/forced-colors.css'

takeToken()
addEventListener('hashchange', takeToken) // ahead of the page's own listeners, which read the route

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  )
}
