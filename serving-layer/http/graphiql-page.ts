/** The GraphiQL page: one HTML document with everything in it, so that it works without the internet. */

const exampleQuery = `# Ctrl-Enter runs the operation under the cursor,
# Ctrl-Space completes names.

query Pipelines {
  pipelines {
    name
    lag
    freshnessMs
    batchAgeMs
    rejectedCount
  }
}

query Tables {
  sql(statement: "SHOW TABLES") {
    rows
  }
}
`

let page: Promise<string> | undefined

/** Rendered at the first request: the page is 9 MB of scripts that most processes never need. */
export async function graphiqlPage(): Promise<string> {
  page ??= renderPage()
  return await page
}

async function renderPage(): Promise<string> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql')
  return renderGraphiQL({
    title: 'millrace',
    endpoint: '/graphql',
    subscriptionsProtocol: 'WS',
    defaultQuery: exampleQuery,
  })
}

/** The browser itself refuses whatever the page might load from elsewhere. */
export const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' ws: wss:; " +
    "frame-ancestors 'none'",
} as const
