// What is told of the line to the run, which is not the run: nothing while it is fine.
import type {UseRun} from '@headway/client/react'
import {Notice} from '../controls'

export function Line({run}: {run: UseRun}) {
  if (run.connection === 'offline')
    return (
      <Notice kind="warn" title="You are offline">
        The run is not told; the page goes on where it was once the network is back.
      </Notice>
    )
  if (run.connection === 'interrupted')
    return (
      <Notice kind="warn" title="The line was cut">
        Trying again. Nothing is lost: the run is read on after event {run.events.at(-1)?.id ?? 0}.
      </Notice>
    )
  if (run.connection === 'lost')
    return (
      <Notice kind="bad" title="The run cannot be reached" retry={run.reconnect}>
        The service does not answer. What came of the run so far is below; the run itself may be going on.
      </Notice>
    )
  if (run.incomplete)
    return (
      <Notice kind="info" title="The beginning is gone">
        The oldest events of this run are not kept any more. What is shown starts after them.
      </Notice>
    )
  return null
}
