import react from '@vitejs/plugin-react'
import {defineConfig} from 'vite'

// The service that `make run` starts. In production one proxy serves both the page and the service, on one origin.
const service = process.env.HEADWAY_URL ?? 'http://127.0.0.1:8000'
const proxy = {'/operations': service, '/runs': service}

export default defineConfig({plugins: [react()], server: {proxy}, preview: {proxy}})
