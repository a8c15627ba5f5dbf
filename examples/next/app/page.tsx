import {Think} from './think'

export default function Page() {
  return (
    <main>
      <h1>Headway with Next.js</h1>
      <Think />
    </main>
  )
}
