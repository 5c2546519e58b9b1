-- What fails: each page and error status, how often, and when it last did.
SELECT page,
       status,
       count(*) AS requests,
       max(ts) AS last_seen,
       arg_max(referrer, ts) AS last_referrer
FROM access_logs
WHERE status >= 400
GROUP BY page, status
ORDER BY requests DESC
LIMIT 1000
