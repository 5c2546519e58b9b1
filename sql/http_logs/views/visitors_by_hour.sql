-- Distinct client addresses per hour, estimated (standard error 2.3 percent).
SELECT date_trunc('hour', ts) AS hour,
       approx_count_distinct(ip) AS visitors,
       count(*) AS requests
FROM logs
GROUP BY ALL
ORDER BY hour
