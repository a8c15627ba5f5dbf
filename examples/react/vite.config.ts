import react from '@vitejs/plugin-react'
import {defineConfig} from 'vite'

// The service, as `make run` serves it. In production both stand behind one proxy, under one origin.
const service = process.env.HEADWAY_URL ?? 'http://127.0.0.1:8000'
const proxy = {'/operations': service, '/runs': service}

export default defineConfig({plugins: [react()], server: {proxy}, preview: {proxy}})
