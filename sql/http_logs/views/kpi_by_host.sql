-- Traffic, errors and response times per host.
SELECT host,
       count(*) AS requests,
       count(*) FILTER (WHERE status >= 500) AS server_errors,
       sum(bytes) AS bytes,
       avg(rt_ms) AS avg_rt_ms,
       max(rt_ms) AS max_rt_ms,
       approx_quantile(rt_ms, 0.95) AS p95_rt_ms
FROM logs
GROUP BY host
ORDER BY host
