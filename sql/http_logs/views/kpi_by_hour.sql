-- Traffic, errors and response times per hour.
SELECT date_trunc('hour', ts) AS hour,
       count(*) AS requests,
       count(*) FILTER (WHERE status_class = 4) AS client_errors,
       count(*) FILTER (WHERE status_class = 5) AS server_errors,
       round(100 * count(*) FILTER (WHERE status_class = 5) / count(*), 3) AS server_error_percent,
       sum(bytes) AS bytes,
       avg(rt_ms) AS avg_rt_ms,
       max(rt_ms) AS max_rt_ms
FROM logs
GROUP BY ALL
ORDER BY hour
