// `node build.mjs [FOLDER]` builds FOLDER (dist/): the modules `index.js`, `many.js`, `plain-store.js`, `react.js`, `testing.js`
// and `upload.js`, the same for `require`, their types, and the command `headway-types`. A page can import the files as they
// are; React is not in them. Without a FOLDER also what Python's wheel brings, in `streaming/static/`: `headway-client.tgz` of
// them, and `client.js`, all that a page without a build needs in one file, which the service has at `/headway/client.js`.

import {execFileSync} from 'node:child_process'
import {chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {createRequire} from 'node:module'
import {dirname, join, resolve} from 'node:path'
import {fileURLToPath} from 'node:url'

import {build, transform} from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const dist = resolve(process.argv[2] ?? join(here, 'dist'))

for (const name of existsSync(dist) ? readdirSync(dist) : []) if (name.startsWith('shared')) rmSync(join(dist, name))

const modules = {bundle: true, format: 'esm', target: 'es2022', outdir: dist, absWorkingDir: here, logLevel: 'warning'}

await build({
  ...modules,
  entryPoints: ['index', 'many', 'plain-store', 'react', 'testing', 'upload'].map((name) => `src/${name}.ts`),
  splitting: true, // what several import is in chunks
  chunkNames: 'shared-[hash]',
  minify: true,
  sourcemap: true,
  external: ['react'],
})
await build({
  ...modules,
  entryPoints: {'headway-types': 'src/headway-types.ts'},
  platform: 'node',
  packages: 'external',
})
chmodSync(join(dist, 'headway-types.js'), 0o755)

const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
const types = ['--project', join(here, 'tsconfig.build.json'), '--outDir', dist]
execFileSync(process.execPath, [tsc, ...types], {stdio: 'inherit'})

// The same for `require`, file by file: what several modules share, such as the classes of errors, exists once here too.
for (const name of readdirSync(dist)) {
  const path = join(dist, name)
  if (name.endsWith('.d.ts')) {
    const text = readFileSync(path, 'utf8').replace(/(["'])(\.\/[\w-]+)\.js\1/g, "'$2.cjs'")
    writeFileSync(path.replace(/\.ts$/, '.cts'), text)
  } else if (name.endsWith('.js') && name !== 'headway-types.js') {
    const {code} = await transform(readFileSync(path, 'utf8'), {format: 'cjs', minify: true, target: 'es2022'})
    writeFileSync(path.replace(/\.js$/, '.cjs'), code.replace(/require\("(\.\/[\w-]+)\.js"\)/g, 'require("$1.cjs")'))
  }
}

// The package as Python's wheel brings it.
if (!process.argv[2]) {
  const to = join(here, '../../streaming/static')
  mkdirSync(to, {recursive: true})
  await build({...modules, entryPoints: {client: 'src/page.ts'}, outdir: to, minify: true})
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', to]
  const name = execFileSync('npm', pack, {cwd: here, encoding: 'utf8'}).trim()
  renameSync(join(to, name), join(to, 'headway-client.tgz'))
}
