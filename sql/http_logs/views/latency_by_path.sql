-- Response times per path: median, 95th and 99th percentile, each within one percent.
SELECT path,
       count(rt_ms) AS requests,
       approx_quantile(rt_ms, 0.50) AS p50_rt_ms,
       approx_quantile(rt_ms, 0.95) AS p95_rt_ms,
       approx_quantile(rt_ms, 0.99) AS p99_rt_ms
FROM logs
GROUP BY path
ORDER BY path
