// How the console is built: relative addresses, so that it works under any path, and nothing inlined, which its
// Content-Security-Policy would refuse.
import {readFileSync, writeFileSync} from 'node:fs'
import {gzipSync} from 'node:zlib'
import react from '@vitejs/plugin-react'
import {defineConfig, type Plugin} from 'vite'

const service = process.env.HEADWAY_URL ?? 'http://127.0.0.1:8000'
const routes = ['/operations', '/runs', '/health']

/** A compressed twin of every asset that shrinks by it: whoever serves the files need not compress them each time. */
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    // Once everything is written: the last words of the files are Vite's own.
    writeBundle({dir = 'dist'}, bundle) {
      for (const name of Object.keys(bundle).filter((each) => /\.(js|css)$/.test(each))) {
        writeFileSync(`${dir}/${name}.gz`, gzipSync(readFileSync(`${dir}/${name}`), {level: 9}))
      }
    },
  }
}

export default defineConfig({
  base: './',
  plugins: [react(), compressed()],
  build: {
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000, // Vega is one chunk, fetched by pages with a chart only
    modulePreload: {polyfill: false},
    target: 'es2022',
  },
  // `npm run dev -w console` beside a service that runs.
  server: {proxy: Object.fromEntries(routes.map((route) => [route, service]))},
})
