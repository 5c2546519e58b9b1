/** Reads a request's JSON body within a limit. */
import type { IncomingMessage } from 'node:http'

/** A request that cannot be answered; the message is for the caller. */
export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/**
 * The parsed body, or undefined when it is not declared as JSON: Apollo answers those itself. Throws
 * {@link HttpError} 400 for malformed JSON and 413 for a body that is too long.
 */
export async function readJsonBody(request: IncomingMessage, bytesMax: number): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bytesMax) {
      throw new HttpError(413, `The request body is longer than ${bytesMax} bytes.`)
    }
    chunks.push(chunk)
  }
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') return undefined
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new HttpError(400, 'The request body is not valid JSON.')
  }
}
