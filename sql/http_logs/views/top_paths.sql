-- The hundred most requested paths, with their bytes and errors.
SELECT path,
       count(*) AS requests,
       sum(bytes) AS bytes,
       count(*) FILTER (WHERE status >= 400) AS errors
FROM logs
GROUP BY path
ORDER BY requests DESC, path
LIMIT 100
