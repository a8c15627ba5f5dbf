// The API key: asked for where the service wants one, kept in this tab's session storage and nowhere else.
import {type FormEvent, useState} from 'react'
import {apiKey} from './api'
import {ThemeSwitch, useDocumentTitle} from './controls'
import {Wordmark} from './sidebar'

export function KeyGate({refused}: {refused: boolean}) {
  const [key, setKey] = useState('')
  useDocumentTitle('API key')
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    apiKey.set(key.trim())
  }
  return (
    <div className="gate">
      <header className="gate-head">
        <Wordmark />
        <ThemeSwitch />
      </header>
      <main className="gate-card">
        <h1>This service wants a key</h1>
        <p className="lead">It is sent with every request, and forgotten when you close this tab.</p>
        <form onSubmit={submit}>
          <div className={`field ${refused ? 'field-wrong' : ''}`}>
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
              {refused && <p className="field-error">The service does not know that key.</p>}
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
