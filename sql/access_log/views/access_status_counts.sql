-- Requests and bytes per status.
SELECT status, count(*) AS requests, sum(bytes) AS bytes
FROM access_logs
GROUP BY status
ORDER BY status
