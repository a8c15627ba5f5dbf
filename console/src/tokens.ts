// Run tokens: a link for people carries one after `#`, and the page takes it out of the address at once, so that it is in
// no history, no screenshot and no copied address. It is kept until this tab closes.

const KEPT = 'headway.token.'

type Verb = 'watch' | 'answer' | 'cancel'

/** Takes the token out of the address (`#/runs/ID?token=TOKEN`). Called before anything reads the route. */
export function takeToken(): void {
  const [path = '', query = ''] = location.hash.split('?')
  const token = new URLSearchParams(query).get('token')
  if (!token) return
  history.replaceState(null, '', path)
  const run = /^#\/runs\/([^/]+)/.exec(path)?.[1]
  if (run) sessionStorage.setItem(KEPT + decodeURIComponent(run), token)
}

/** The token of a run; empty without one. */
export const tokenOf = (run: string): string => sessionStorage.getItem(KEPT + run) ?? ''

/** Whether this tab may do this with a run: whoever has no token of it may whatever the service says. */
export function may(run: string, verb: Verb): boolean {
  const token = tokenOf(run)
  if (!token) return true
  try {
    const [payload = ''] = token.slice('hwt_'.length).split('.')
    const [, , verbs] = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))) as [string, number, Verb[]]
    return verbs.includes(verb)
  } catch {
    return true // the service says what it makes of it
  }
}
