// The service that `make run` starts. In production one proxy serves both the page and the service, on one origin.
const service = process.env.HEADWAY_URL ?? 'http://127.0.0.1:8000'
const paths = ['operations', 'runs']

export default {
  rewrites: () => paths.map((path) => ({source: `/${path}/:rest*`, destination: `${service}/${path}/:rest*`})),
}
