// The page that asks for the API key of a service that needs one. The key is kept in this tab's session storage only.
import {type FormEvent, useState} from 'react'
import {apiKey} from './api'
import {ThemeSwitch, useDocumentTitle} from './controls'
import {Wordmark} from './sidebar'

export function ApiKeyPage({refused}: {refused: boolean}) {
  const [key, setKey] = useState('')
  useDocumentTitle('API key')
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    apiKey.set(key.trim())
  }
  return (
    <div className="key-page">
      <header className="key-page-head">
        <Wordmark />
        <ThemeSwitch />
      </header>
      <main className="key-page-card">
        <h1>This service needs an API key</h1>
        <p className="lead">The key is sent with every request, and forgotten when you close this tab.</p>
        <form onSubmit={submit}>
          <div className={`field ${refused ? 'field-invalid' : ''}`}>
            <label className="field-label" htmlFor="key">
              API key
            </label>
            <input
              id="key"
              className="input"
              type="password"
              autoComplete="off"
              required
              value={key}
              aria-invalid={refused}
              aria-describedby="key-errors"
              onChange={(event) => setKey(event.target.value)}
            />
            <div id="key-errors" role="alert">
              {refused && <p className="field-error">The service refused this key.</p>}
            </div>
          </div>
          <button type="submit" className="button button-primary">
            Open the console
          </button>
        </form>
      </main>
    </div>
  )
}
