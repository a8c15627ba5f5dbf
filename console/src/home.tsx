// The first page: what there is to run.
import {useCatalogue} from './catalogue'
import {useDocumentTitle} from './controls'
import {Icon} from './icons'
import {afterLeaving} from './leaving'
import {link} from './router'

export function Home() {
  const {operations, loading, problem} = useCatalogue()
  useDocumentTitle('')
  return (
    <>
      <header className="page-head">
        <h1>What would you like to run?</h1>
        <p className="lead">Start it, watch it as it goes, leave and come back. Every run keeps its own address.</p>
      </header>
      {!loading && !problem && operations.length === 0 && <p className="empty">This service offers no operations.</p>}
      <ul className="cards">
        {operations.map((operation) => (
          <li key={operation.name}>
            <a className="card card-link" href={link({page: 'operation', name: operation.name})}>
              <h2>{operation.title}</h2>
              <p>{operation.description}</p>
              <p className="card-foot">
                <span>{afterLeaving(operation.linger)}</span>
                <Icon name="arrow" />
              </p>
            </a>
          </li>
        ))}
      </ul>
    </>
  )
}
