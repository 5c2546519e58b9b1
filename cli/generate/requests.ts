/** What visitors of a mid-sized shop ask for, and how its twenty servers answer. */
import { quantileLookup, type Random, weightedLookup, zipfWeights } from './random.ts'

export interface Request {
  readonly host: string
  readonly method: string
  readonly path: string
  readonly status: number
  readonly bytes: number
  readonly ip: string
  readonly userAgent: string
  readonly responseMs: number
}

const hosts = Array.from({ length: 20 }, (_, n) => `web-${`${n + 1}`.padStart(2, '0')}`)
/** Fails more often than the others, so that a look at errors by host finds something. */
const failingHost = 12

interface Page {
  readonly method: string
  readonly path: string
  /** How much slower than the usual page. */
  readonly slowness: number
  readonly bytes: number
}

const pages: readonly Page[] = [
  page('GET', '/', 1, 14_000),
  page('GET', '/search', 4, 22_000),
  page('POST', '/cart', 2, 900),
  page('GET', '/cart', 1.5, 6_000),
  page('POST', '/login', 3, 500),
  page('POST', '/checkout', 8, 1_200),
  page('GET', '/api/recommendations', 5, 3_000),
  page('GET', '/api/stock', 1, 400),
  page('PUT', '/api/profile', 2.5, 300),
  page('DELETE', '/cart/items', 1.5, 200),
  page('GET', '/health', 0.1, 2),
  ...names('/static/', ['app.js', 'app.css', 'logo.svg', 'font.woff2'], 0.2, 90_000),
  ...names('/category/', ['books', 'films', 'games', 'garden', 'kitchen', 'music'], 2, 18_000),
  ...Array.from({ length: 30 }, (_, n) => page('GET', `/product/${1000 + n * 7}`, 1.5, 12_000)),
  ...names('/help/', ['returns', 'shipping', 'contact', 'faq', 'about', 'terms'], 0.5, 5_000),
  ...names('/blog/', ['spring', 'summer', 'autumn'], 0.8, 30_000),
]

const userAgents = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile Safari/604.1',
  'Mozilla/5.0 (Linux; Android 15; Pixel 9) Chrome/131.0 Mobile Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.1 Safari/605.1.15',
  'Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0',
  'Googlebot/2.1 (+http://www.google.com/bot.html)',
  'curl/8.11.0',
  'kube-probe/1.31',
]

const statuses = [200, 201, 204, 301, 304, 400, 401, 403, 404, 429, 500, 502, 503, 504]
const usualStatusWeights = [880, 15, 10, 12, 35, 6, 6, 3, 22, 2, 4, 2, 2, 1]
const failingStatusWeights = [780, 15, 10, 12, 35, 6, 6, 3, 22, 2, 60, 20, 20, 9]
const addressCount = 2_000

/** Returns the next request each time it is called. */
export function createRequests(random: Random): () => Request {
  const drawHost = weightedLookup(zipfWeights(hosts.length, 0.4))
  const drawPage = weightedLookup(zipfWeights(pages.length, 0.9))
  const drawUserAgent = weightedLookup([40, 22, 18, 10, 5, 3, 1, 1])
  const drawAddress = weightedLookup(zipfWeights(addressCount, 0.8))
  const drawStatus = weightedLookup(usualStatusWeights)
  const drawFailingStatus = weightedLookup(failingStatusWeights)
  const drawResponseMs = quantileLookup(responseMsAt)
  const drawSize = quantileLookup((q) => 0.5 + q + q ** 12 * 6)
  const addresses = Array.from({ length: addressCount }, () => address(random))
  return () => {
    const host = drawHost(random)
    const asked = pages[drawPage(random)] ?? pages[0]
    const draw = host === failingHost ? drawFailingStatus : drawStatus
    const status = statuses[draw(random)] ?? 200
    const hasBody = status !== 204 && status !== 304
    return {
      host: hosts[host] ?? '',
      method: asked?.method ?? 'GET',
      path: asked?.path ?? '/',
      status,
      bytes: hasBody ? Math.round((asked?.bytes ?? 0) * drawSize(random)) : 0,
      ip: addresses[drawAddress(random)] ?? '',
      userAgent: userAgents[drawUserAgent(random)] ?? '',
      responseMs: Math.ceil((asked?.slowness ?? 1) * drawResponseMs(random)),
    }
  }
}

/** Half below 12 ms, one in a hundred above 150 ms, a few take seconds. */
function responseMsAt(q: number): number {
  const body = 12 * Math.exp(0.9 * Math.log(q / (1 - q)) * 0.55)
  const tail = q > 0.98 ? 60 / (1 - q) ** 0.35 : 0
  return body + tail
}

function page(method: string, path: string, slowness: number, bytes: number): Page {
  return { method, path, slowness, bytes }
}

function names(prefix: string, rest: readonly string[], slowness: number, bytes: number): Page[] {
  return rest.map((name) => page('GET', `${prefix}${name}`, slowness, bytes))
}

/** From the blocks kept for documentation and for carriers, so that nobody's address appears. */
function address(random: Random): string {
  const block = ['198.51.100', '203.0.113', '192.0.2'][random.below(3)] ?? '192.0.2'
  return random.fraction() < 0.1
    ? `${block}.${1 + random.below(254)}`
    : `100.${64 + random.below(64)}.${random.below(256)}.${1 + random.below(254)}`
}
