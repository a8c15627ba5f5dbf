/** A `fetch` that reports how much of a form is sent, which the browsers' own does not. */

/** How much was sent, in bytes. */
export interface Upload {
  readonly loaded: number
  readonly total: number
}

/**
 * A `fetch` for the starts of a run, for the option `fetch`: a form is sent by `XMLHttpRequest`, where there is one, and
 * `onUpload` called as it goes. A cancel in the middle ends the upload, before there is a run. The stream is then read by `request` (default: the global `fetch`), since an
 * `XMLHttpRequest` would keep all of it in memory.
 */
export function uploadFetch(onUpload: (upload: Upload) => void, request?: typeof fetch): typeof fetch {
  let sent: XMLHttpRequest | undefined
  return async (url, init: Init = {}) => {
    if (init.body instanceof FormData && globalThis.XMLHttpRequest) {
      sent = new XMLHttpRequest()
      return send(sent, String(url), init, onUpload)
    }
    const response = await (request ?? globalThis.fetch)(url, init)
    sent?.abort() // not earlier: until this stream is open, the request was the run's only viewer
    sent = undefined
    return response
  }
}

interface Init extends RequestInit {
  /** Aborted when the start is given up: nothing is lost as long as not all of it is sent. */
  abandoned?: AbortSignal
}

function send(request: XMLHttpRequest, url: string, init: Init, onUpload: (upload: Upload) => void): Promise<Response> {
  return new Promise((resolve, reject) => {
    request.open(init.method ?? 'GET', url)
    request.withCredentials = init.credentials === 'include'
    new Headers(init.headers).forEach((value, name) => {
      request.setRequestHeader(name, value)
    })
    const stop = () => request.abort()
    init.signal?.addEventListener('abort', stop)
    init.abandoned?.addEventListener('abort', stop)
    request.upload.onload = () => init.abandoned?.removeEventListener('abort', stop) // the service may start the run
    request.upload.onprogress = ({loaded, total}) => onUpload({loaded, total})
    request.onreadystatechange = () => {
      if (request.readyState === 2 && isStarted(request)) resolve(answerOf(request, 202, null))
    }
    request.onload = () => resolve(answerOf(request, request.status, request.responseText || null))
    request.onerror = () => reject(new TypeError('The upload failed'))
    request.onabort = () => reject(init.signal?.reason ?? new TypeError('The upload was cancelled'))
    request.send(init.body as FormData)
  })
}

/** Whether the service has started a run, which can then be watched by its id. */
function isStarted(request: XMLHttpRequest): boolean {
  return request.status >= 200 && request.status < 300 && request.getResponseHeader('Run-Id') !== null
}

const HEADERS = ['Content-Type', 'Location', 'Retry-After', 'Run-Id']

function answerOf(request: XMLHttpRequest, status: number, body: string | null): Response {
  const headers = HEADERS.map((name) => [name, request.getResponseHeader(name)]).filter(([, value]) => value !== null)
  return new Response(body, {status, headers: headers as [string, string][]})
}
