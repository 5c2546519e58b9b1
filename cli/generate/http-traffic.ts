/** Traffic for the pipeline `http_logs`: a JSON object per line. */
import type { FieldFaults } from './malformed-lines.ts'
import type { Request } from './requests.ts'
import { createTraffic, type Traffic, type TrafficOptions } from './traffic.ts'

export function createHttpTraffic(options: TrafficOptions): Traffic {
  const timestamp = createTimestamps()
  const render = (request: Request, atMs: number) =>
    `{"ts":"${timestamp(atMs)}","host":"${request.host}","method":"${request.method}","path":"${request.path}","status":${request.status},"bytes":${request.bytes},"ip":"${request.ip}","ua":"${request.userAgent}","rt_ms":${request.responseMs}}`
  return createTraffic(options, { render, faults })
}

const faults: FieldFaults = {
  wrong_type: (line) => line.replace(/"bytes":\d+/, '"bytes":"a lot"'),
  missing_field: (line) => line.replace(/"host":"[^"]*",/, ''),
  out_of_range: (line) => line.replace(/"status":\d+/, '"status":999'),
  far_past: (line) => line.replace(/"ts":"\d{4}/, '"ts":"1998'),
  far_future: (line) => line.replace(/"ts":"\d{4}/, '"ts":"2098'),
  unknown_field: (line) => line.replace(/\}$/, ',"trace":{"id":"a1","sampled":true}}'),
}

/** ISO 8601 in UTC with milliseconds; the part down to the second is made once per second. */
function createTimestamps(): (atMs: number) => string {
  let second = -1
  let prefix = ''
  return (atMs) => {
    const atSecond = Math.floor(atMs / 1000)
    if (atSecond !== second) {
      second = atSecond
      prefix = new Date(atMs).toISOString().slice(0, 20)
    }
    const ms = atMs - atSecond * 1000
    return `${prefix}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`
  }
}
