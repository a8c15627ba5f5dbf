// The state of the connection to a run, where it is not simply open.
import type {UseRun} from '@headway/client/react'
import {Notice} from '../controls'

export function ConnectionNotice({run}: {run: UseRun}) {
  const last = run.events.at(-1)?.id ?? 0
  if (run.connection === 'offline')
    return (
      <Notice kind="warn" title="You are offline">
        With a network the page reconnects, and resumes after event {last}.
      </Notice>
    )
  if (run.connection === 'interrupted')
    return (
      <Notice kind="warn" title="The connection was interrupted">
        Reconnecting. No event is lost: the stream resumes after event {last}.
      </Notice>
    )
  if (run.connection === 'lost')
    return (
      <Notice kind="error" title="The connection was lost" retry={run.reconnect}>
        The service does not answer. Below is what arrived before; the run may still be live.
      </Notice>
    )
  if (run.incomplete)
    return (
      <Notice kind="info" title="Older events are missing">
        The service no longer keeps the oldest events of this run. The page shows what came after them.
      </Notice>
    )
  return null
}
