// Starts the run of a button, and shows it. A page that is loaded again goes on where it was.
const token = document.querySelector('meta[name=csrf-token]').content
const bar = document.querySelector('progress')
const output = document.querySelector('output')

for (const button of document.querySelectorAll('[data-start]')) button.onclick = () => start(button.dataset.start)
if (sessionStorage.run) watch(sessionStorage.run)

async function start(url) {
  const headers = {'X-CSRFToken': token, Prefer: 'respond-async'}
  const answer = await fetch(url, {method: 'POST', headers})
  if (answer.ok) watch((sessionStorage.run = answer.headers.get('Location')))
  else output.value = (await answer.json()).detail
}

function watch(run) {
  const events = new EventSource(`${run}/events`) // it comes back by itself after a cut, and resumes
  events.addEventListener('progress', ({data}) => {
    const {done, total} = JSON.parse(data)
    Object.assign(bar, {hidden: false, max: total, value: done})
  })
  events.addEventListener('result', ({data}) => {
    output.value = JSON.parse(data).result
  })
  events.addEventListener('done', () => {
    events.close()
    delete sessionStorage.run
  })
}
