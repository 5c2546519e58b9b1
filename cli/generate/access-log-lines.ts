/** Traffic for the pipeline `access_log`: combined or common log lines as Apache and nginx write them. */
import type { FieldFaults } from './malformed-lines.ts'
import type { Request } from './requests.ts'
import { createTraffic, type Traffic, type TrafficOptions } from './traffic.ts'

export type AccessLogStyle = 'combined' | 'common'

export function createAccessLogTraffic(
  options: TrafficOptions & { readonly style?: AccessLogStyle },
): Traffic {
  const timestamp = createTimestamps()
  const isCombined = options.style !== 'common'
  const render = (request: Request, atMs: number) => {
    const bytes = request.bytes === 0 ? '-' : request.bytes
    const common = `${request.ip} - - [${timestamp(atMs)}] "${request.method} ${request.path} HTTP/1.1" ${request.status} ${bytes}`
    return isCombined ? `${common} "https://${request.host}/" "${request.userAgent}"` : common
  }
  return createTraffic(options, { render, faults })
}

const faults: FieldFaults = {
  wrong_type: (line) => line.replace(/" \d{3} /, '" ok! '),
  missing_field: (line) => line.replace(/^\S+ /, ''),
  out_of_range: (line) => line.replace(/" \d{3} /, '" 999 '),
  far_past: (line) => line.replace(/\/\d{4}:/, '/1998:'),
  far_future: (line) => line.replace(/\/\d{4}:/, '/2098:'),
  unknown_field: (line) => `${line} 0.042 upstream=10.0.0.7`,
}

const months = [
  'Jan',
  'Feb',
  'Mar',
  'Apr',
  'May',
  'Jun',
  'Jul',
  'Aug',
  'Sep',
  'Oct',
  'Nov',
  'Dec',
] as const

/** `20/Nov/2026:12:34:56 +0000`, made once per second. */
function createTimestamps(): (atMs: number) => string {
  let second = -1
  let text = ''
  return (atMs) => {
    const atSecond = Math.floor(atMs / 1000)
    if (atSecond !== second) {
      second = atSecond
      const date = new Date(atMs)
      const iso = date.toISOString()
      text = `${iso.slice(8, 10)}/${months[date.getUTCMonth()]}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`
    }
    return text
  }
}
