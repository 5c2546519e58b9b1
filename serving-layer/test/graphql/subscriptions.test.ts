import { once } from 'node:events'
import { expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { RunningServer } from '../support/running-server.ts'

type Message = {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes.
  readonly data?: any
  readonly errors?: readonly { message: string; extensions?: { code?: string } }[]
}

/** The next message; fails when the subscription ended. */
async function nextOf(messages: AsyncIterator<unknown>): Promise<Message> {
  const { done, value } = await messages.next()
  expect(done).not.toBe(true)
  return value as Message
}

it('a view is sent at once and again after each change', async () => {
  await using server = await RunningServer.start()
  const messages = server.client().iterate({
    query:
      'subscription { status_counts(where: {status: {eq: 500}}) { rows { requests } coverage { realtime } } }',
  })
  expect((await nextOf(messages)).data.status_counts).toEqual({
    rows: [{ requests: 1 }],
    coverage: { realtime: { 0: '3' } },
  })
  await server.mirror.add([{ host: 'c', status: 500, bytes: 1n }])
  expect((await nextOf(messages)).data.status_counts).toEqual({
    rows: [{ requests: 2 }],
    coverage: { realtime: { 0: '4' } },
  })
})

it('changes that come faster than the interval become one message with the latest', async () => {
  await using server = await RunningServer.start()
  const messages = server
    .client()
    .iterate({ query: 'subscription { status_counts(intervalMs: 200) { coverage { realtime } } }' })
  await nextOf(messages)
  for (let i = 0; i < 20; i += 1) await server.mirror.add([{ host: 'c', status: 500, bytes: 1n }])
  expect((await nextOf(messages)).data.status_counts.coverage.realtime).toEqual({ 0: '23' })
})

it('each new row of a table is sent once, in order, also when it moves to the lake', async () => {
  await using server = await RunningServer.start()
  const { mirror } = server
  const messages = server.client().iterate({
    query: 'subscription { logs(where: {host: {ne: "skip"}}) { rows { _offset host } } }',
  })
  const received: unknown[] = []
  const reading = (async () => {
    while (received.length < 30) received.push(...(await nextOf(messages)).data.logs.rows)
  })()
  // The subscription begins with what is visible when it listens.
  await vi.waitUntil(() => mirror.listenerCount === 1)
  await vi.waitUntil(() => mirror.coverageCount > 0)
  for (let i = 0; i < 30; i += 1) {
    await mirror.add([
      { host: `h${i}`, status: 200, bytes: 1n },
      { host: 'skip', status: 200, bytes: 1n },
    ])
    if (i % 3 === 0) await mirror.moveLake(BigInt(5 + 2 * i))
  }
  await reading
  expect(received).toEqual(
    Array.from({ length: 30 }, (_, i) => ({ _offset: 3 + 2 * i, host: `h${i}` })),
  )
})

it('more new rows than the limit are cut to the newest and say so', async () => {
  await using server = await RunningServer.start()
  const messages = server
    .client()
    .iterate({ query: 'subscription { logs(limit: 2) { rows { _offset } isTruncated } }' })
  const first = nextOf(messages)
  await vi.waitUntil(() => server.mirror.coverageCount > 0)
  await server.mirror.add(Array.from({ length: 5 }, () => ({ host: 'x', status: 1, bytes: 1n })))
  expect((await first).data.logs).toEqual({
    rows: [{ _offset: 6 }, { _offset: 7 }],
    isTruncated: true,
  })
})

it('a failed read is told with its code, and the subscription goes on', async () => {
  await using server = await RunningServer.start()
  const messages = server
    .client()
    .iterate({ query: 'subscription { status_counts { rows { status } } }' })
  await nextOf(messages)
  server.mirror.isReady = false
  await server.mirror.add([])
  const failed = await nextOf(messages)
  expect(failed.errors?.[0]?.extensions?.code).toBe('NOT_READY')
  server.mirror.isReady = true
  await server.mirror.add([])
  expect((await nextOf(messages)).data.status_counts.rows).toHaveLength(2)
})

it('unforeseen failures are masked here too', async () => {
  await using server = await RunningServer.start()
  server.mirror.coverageIn = async () => {
    throw new Error('the password is 42')
  }
  const messages = server
    .client()
    .iterate({ query: 'subscription { status_counts { rows { status } } }' })
  const failed = await nextOf(messages)
  expect(failed.errors?.[0]?.message).toBe('Unexpected error.')
})

it('ending a subscription, or its connection, stops listening', async () => {
  await using server = await RunningServer.start({ serving: { subscriptionsMax: 1 } })
  const query = 'subscription { status_counts { rows { status } } }'
  const client = server.client()
  const messages = client.iterate({ query })
  await nextOf(messages)
  const refused = await nextOf(server.client().iterate({ query })).catch((error: unknown) => ({
    errors: error as Message['errors'],
  }))
  expect(refused.errors?.[0]?.extensions?.code).toBe('QUERY_OVERLOADED')
  await messages.return?.()
  await vi.waitUntil(() => server.mirror.listenerCount === 0)
  const again = client.iterate({ query })
  await nextOf(again)
  client.terminate()
  await vi.waitUntil(() => server.mirror.listenerCount === 0)
})

it('documents over a socket have the same limits', async () => {
  await using server = await RunningServer.start({ serving: { graphqlDepthMax: 2 } })
  for (const query of [
    'subscription { status_counts { rows { status } } }',
    '{ logs { rows { host } } }',
    '{ nosuch }',
    '{',
  ]) {
    const failure = await nextOf(server.client().iterate({ query })).catch(
      (error: unknown) => error,
    )
    expect(Array.isArray(failure)).toBe(true)
  }
})

it.each([
  [
    'longer than a message may be',
    'x'.repeat(2000),
    1009,
    'A message is longer than 1024 bytes (http.bodyBytesMax).',
  ],
  ['no UTF-8', Buffer.from([0xff]), 1007, 'Invalid WebSocket frame: invalid UTF-8 sequence'],
])('a frame that is %s ends its socket with one line', async (_, frame, code, reason) => {
  await using server = await RunningServer.start({ http: { bodyBytesMax: 1024 } })
  const printed = vi.spyOn(console, 'error').mockReturnValue()
  const others = server
    .client()
    .iterate({ query: 'subscription { status_counts { rows { status } } }' })
  await nextOf(others)
  const url = `${server.http.url.replace('http', 'ws')}/graphql`
  const socket = new WebSocket(url, 'graphql-transport-ws')
  await once(socket, 'open')
  socket.send(frame, { binary: false })
  expect((await once(socket, 'close'))[0]).toBe(code)
  expect(printed).not.toHaveBeenCalled()
  const lines = server.logged.map((line) => JSON.parse(line)).filter(({ level }) => level > 30)
  expect(lines).toEqual([expect.objectContaining({ level: 40, reason })])
  expect(lines[0]).not.toHaveProperty('err')
  await server.mirror.add([{ host: 'c', status: 500, bytes: 1n }])
  expect((await nextOf(others)).data.status_counts.rows).toHaveLength(2)
  printed.mockRestore()
})

it('queries work over a socket', async () => {
  await using server = await RunningServer.start()
  const answer = await nextOf(
    server.client().iterate({ query: '{ logs(limit: 1) { rows { host } } }' }),
  )
  expect(answer.data.logs.rows).toEqual([{ host: 'a' }])
})
