// An error in one page leaves the rest of the console working: a run may send data that a page does not expect.
import {Component, type ReactNode} from 'react'
import {Notice} from './controls'

export class ErrorBoundary extends Component<{children: ReactNode}, {failed: boolean}> {
  override state = {failed: false}

  static getDerivedStateFromError(): {failed: boolean} {
    return {failed: true}
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children
    return (
      <Notice kind="error" title="This page failed" retry={() => this.setState({failed: false})}>
        This is an error in the console; no run is affected.
      </Notice>
    )
  }
}
