// A page that breaks takes itself down, and not the rest of the console: a run may say what nobody thought of.
import {Component, type ReactNode} from 'react'
import {Notice} from './controls'

export class Boundary extends Component<{children: ReactNode}, {broken: boolean}> {
  override state = {broken: false}

  static getDerivedStateFromError(): {broken: boolean} {
    return {broken: true}
  }

  override render(): ReactNode {
    if (!this.state.broken) return this.props.children
    return (
      <Notice kind="bad" title="This page has failed" retry={() => this.setState({broken: false})}>
        It is a fault of the console. The run is not touched by it.
      </Notice>
    )
  }
}
