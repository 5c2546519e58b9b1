-- The hundred pages that people (not robots) ask for most, without their query strings.
SELECT page,
       count(*) AS requests,
       approx_count_distinct(ip) AS clients,
       max(ts) AS last_requested
FROM access_logs
WHERE NOT is_robot AND page IS NOT NULL
GROUP BY page
ORDER BY requests DESC
LIMIT 100
