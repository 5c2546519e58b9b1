-- Requests per minute and status.
SELECT date_trunc('minute', ts) AS minute, status, count(*) AS requests
FROM logs
GROUP BY minute, status
ORDER BY minute, status
