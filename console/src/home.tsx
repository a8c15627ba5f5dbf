// The first page: the operations.
import {useCatalogue} from './catalogue'
import {useDocumentTitle} from './controls'
import {Icon} from './icons'
import {lingerText} from './linger'
import {link} from './router'

export function Home() {
  const {operations, loading, problem} = useCatalogue()
  useDocumentTitle('')
  return (
    <>
      <header className="page-head">
        <h1>Start a run</h1>
        <p className="lead">Choose an operation. A run has its own address, so you can leave and come back.</p>
      </header>
      {!loading && !problem && operations.length === 0 && <p className="empty">This service offers no operations.</p>}
      <ul className="cards">
        {operations.map((operation) => (
          <li key={operation.name}>
            <a className="card card-link" href={link({page: 'operation', name: operation.name})}>
              <h2>{operation.title}</h2>
              <p>{operation.description}</p>
              <p className="card-foot">
                <span>{lingerText(operation.linger)}</span>
                <Icon name="arrow" />
              </p>
            </a>
          </li>
        ))}
      </ul>
    </>
  )
}
