/** The module for a page without a build, which the service has at `/headway/client.js`. */

export * from './index.ts'
export {createRunStore} from './plain-store.ts'
