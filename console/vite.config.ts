// The build of the console. URLs are relative, so that it works under any path, and nothing is inlined, since its
// Content-Security-Policy forbids that.
import {readFileSync, writeFileSync} from 'node:fs'
import {gzipSync} from 'node:zlib'
import react from '@vitejs/plugin-react'
import {defineConfig, type Plugin} from 'vite'

const service = process.env.HEADWAY_URL ?? 'http://127.0.0.1:8000'
const folder = '../streaming/static/console' // where `Headway(console=True)` has it from, and a wheel
const routes = ['/operations', '/runs', '/health']

/** Writes a `.gz` file beside each script and style sheet, so that the server need not compress them. */
function gzipAssets(): Plugin {
  return {
    name: 'gzip-assets',
    apply: 'build',
    // After everything is written: Vite still changes the files in `generateBundle`.
    writeBundle({dir = folder}, bundle) {
      for (const name of Object.keys(bundle).filter((each) => /\.(js|css)$/.test(each))) {
        writeFileSync(`${dir}/${name}.gz`, gzipSync(readFileSync(`${dir}/${name}`), {level: 9}))
      }
    },
  }
}

export default defineConfig({
  base: './',
  plugins: [react(), gzipAssets()],
  build: {
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000, // Vega is one chunk, which only pages with a chart load
    emptyOutDir: true,
    modulePreload: {polyfill: false},
    outDir: folder,
    target: 'es2022',
  },
  // For `npm run dev -w console`, with a service that runs already.
  server: {proxy: Object.fromEntries(routes.map((route) => [route, service]))},
})
