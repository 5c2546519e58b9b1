import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { RunningServer } from '../support/running-server.ts'

const endless = 'SELECT count(*) FROM range(100000000000) AS a(x) WHERE x % 7 = 8'

async function get(server: RunningServer, path: string, init: RequestInit = {}) {
  const response = await fetch(`${server.http.url}${path}`, init)
  return { status: response.status, headers: response.headers, text: await response.text() }
}

/** With headers that fetch() does not let anyone set. */
function rawStatus(url: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    httpRequest(url, { headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
  })
}

function socketOutcome(url: string, origin?: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = new WebSocket(
      url,
      'graphql-transport-ws',
      origin === undefined ? {} : { origin },
    )
    socket.on('open', () => {
      socket.terminate()
      resolve('open')
    })
    socket.on('error', (error) => resolve(error.message))
  })
}

it('tells whether it lives and whether it is ready', async () => {
  await using server = await RunningServer.start()
  expect(await get(server, '/healthz')).toMatchObject({ status: 200, text: '{"status":"ok"}\n' })
  expect(await get(server, '/readyz')).toMatchObject({ status: 200 })
  server.mirror.isReady = false
  const notReady = await get(server, '/readyz')
  expect(notReady.status).toBe(503)
  expect(JSON.parse(notReady.text)).toMatchObject({
    status: 'not ready',
    reason: expect.any(String),
  })
  expect((await get(server, '/healthz')).status).toBe(200)
})

it('shows its metrics', async () => {
  await using server = await RunningServer.start()
  const { status, text, headers } = await get(server, '/metrics')
  expect(status).toBe(200)
  expect(headers.get('content-type')).toContain('text/plain')
  expect(text).toContain('millrace_serving_visible_records{pipeline="http_logs"} 3')
  expect(text).toContain('millrace_serving_freshness_seconds{pipeline="http_logs"} 0.012')
})

it.each(['/', '/graphiql'])('%s is a page that loads nothing from elsewhere', async (path) => {
  await using server = await RunningServer.start()
  const { status, text, headers } = await get(server, path)
  expect(status).toBe(200)
  expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(headers.get('content-security-policy')).toContain("default-src 'self'")
  expect(text).toContain('"subscriptionsProtocol":"WS"')
  // Whatever an HTML parser would load by itself; scripts are inside the page.
  const markup = text
    .replaceAll(/<script>[\s\S]*?<\/script>/g, '')
    .replaceAll(/<style>[\s\S]*?<\/style>/g, '')
  expect(markup).not.toMatch(/(?:src|href)="(?!data:)[^"]/)
  expect(text).not.toMatch(/@import|url\(["']?https?:/)
})

it('answers what it does not know with the right status', async () => {
  await using server = await RunningServer.start({ http: { bodyBytesMax: 2000 } })
  const json = { 'content-type': 'application/json' }
  expect((await get(server, '/nosuch')).status).toBe(404)
  expect((await get(server, '/healthz', { method: 'POST' })).status).toBe(405)
  expect((await get(server, '/graphql', { method: 'DELETE' })).status).toBe(405)
  const broken = await get(server, '/graphql', { method: 'POST', headers: json, body: '{' })
  expect(broken.status).toBe(400)
  const long = JSON.stringify({ query: `{ pipelines { name } } # ${'x'.repeat(3000)}` })
  expect(
    (await get(server, '/graphql', { method: 'POST', headers: json, body: long })).status,
  ).toBe(413)
  expect(
    (await get(server, '/graphql', { method: 'POST', headers: json, body: '[]' })).status,
  ).toBe(400)
})

it('refuses what a page of another site could make a browser send', async () => {
  await using server = await RunningServer.start()
  const { url } = server.http
  const query = JSON.stringify({ query: '{ pipelines { name } }' })
  // "Simple" requests reach a server without a preflight.
  expect((await get(server, '/graphql', { method: 'POST', body: query })).status).toBe(400)
  expect((await get(server, '/graphql?query=%7B__typename%7D')).status).toBe(400)
  const asked = await get(server, '/graphql?query=%7B__typename%7D', {
    headers: { 'apollo-require-preflight': 'true' },
  })
  expect(asked.status).toBe(200)
  expect(asked.headers.get('access-control-allow-origin')).toBeNull()
  expect(await rawStatus(`${url}/healthz`, { host: 'evil.example:4000' })).toBe(403)
  expect(await rawStatus(`${url}/healthz`, { host: 'localhost:4000' })).toBe(200)
  const sockets = `${url.replace('http', 'ws')}/graphql`
  expect(await socketOutcome(sockets)).toBe('open')
  expect(await socketOutcome(sockets, url)).toBe('open')
  expect(await socketOutcome(sockets, 'https://evil.example')).toContain('403')
  expect(await socketOutcome(sockets.replace('/graphql', '/other'))).toContain('403')
})

it('answers for the hosts and origins that are set', async () => {
  await using server = await RunningServer.start({
    http: { allowedHosts: ['ops.example'], allowedOrigins: ['https://ops.example'] },
  })
  expect(await rawStatus(`${server.http.url}/healthz`, { host: 'ops.example' })).toBe(200)
  const sockets = `${server.http.url.replace('http', 'ws')}/graphql`
  expect(await socketOutcome(sockets, 'https://ops.example')).toBe('open')
})

it('says in a sentence that its port is in use', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as AddressInfo
  await expect(RunningServer.start({ http: { port } })).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: `Port '${port}' on 127.0.0.1 is in use by another program. Stop that one or set MILLRACE_HTTP_PORT to another port.`,
  })
  other.close()
})

it('cancels a query whose caller has gone', async () => {
  await using server = await RunningServer.start({ serving: { queriesRunningMax: 1 } })
  const controller = new AbortController()
  const asking = fetch(`${server.http.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: `{ sql(statement: "${endless}") { rows } }` }),
    signal: controller.signal,
  })
  await vi.waitUntil(() => server.queryService.activeCount === 1)
  controller.abort()
  await expect(asking).rejects.toThrow()
  // The only place is free again.
  const { data } = await server.ask('{ sql(statement: "SELECT 1") { rows } }')
  expect(data.sql.rows).toEqual([[1]])
})

it('closes within a second whatever is going on', async () => {
  const server = await RunningServer.start()
  const subscription = server
    .client()
    .iterate({ query: 'subscription { status_counts { rows { status } } }' })
  await subscription.next()
  const asking = server.ask(`{ sql(statement: "${endless}") { rows } }`).catch(() => 'gone')
  const silent = new WebSocket(
    `${server.http.url.replace('http', 'ws')}/graphql`,
    'graphql-transport-ws',
  )
  const silentClosed = new Promise((resolve) => silent.on('close', resolve))
  silent.on('error', () => {})
  await new Promise((resolve) => silent.on('open', resolve))
  await vi.waitUntil(() => server.queryService.activeCount === 1)
  const startMs = performance.now()
  await server.http.close()
  await server.queryService[Symbol.asyncDispose]()
  expect(performance.now() - startMs).toBeLessThan(1000)
  expect(await asking).toBe('gone')
  await silentClosed
  expect(server.mirror.listenerCount).toBe(0)
  await expect(fetch(`${server.http.url}/healthz`)).rejects.toThrow()
  await server[Symbol.asyncDispose]()
})
