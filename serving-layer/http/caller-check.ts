/**
 * Keeps web pages of other origins from reading data through a person's browser. There are no CORS
 * headers, so answers to fetch() stay unreadable for them; two ways remain, and are closed here: a page
 * whose name was pointed at a loopback address (DNS rebinding), and WebSockets, which CORS ignores.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { HttpSettings } from '../config.ts'

const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]'])
const loopbackAddresses = new Set(['localhost', '127.0.0.1', '::1'])

/** The host that the request is addressed to is one that this server answers for. */
export function isKnownHost(headers: IncomingHttpHeaders, settings: HttpSettings): boolean {
  // Whoever listens on other addresses is reached by names that only they know.
  if (!loopbackAddresses.has(settings.host)) return true
  const name = (headers.host ?? '').replace(/:\d+$/, '').toLowerCase()
  return loopbackNames.has(name) || settings.allowedHosts.includes(name)
}

/** Programs send no Origin; browsers send the page's, which must be this server or an allowed one. */
export function isKnownOrigin(headers: IncomingHttpHeaders, settings: HttpSettings): boolean {
  const { origin, host } = headers
  if (origin === undefined || settings.allowedOrigins.includes(origin)) return true
  return URL.parse(origin)?.host === host
}
