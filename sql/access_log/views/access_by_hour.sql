-- Requests, errors, bytes and distinct clients per hour.
SELECT date_trunc('hour', ts) AS hour,
       count(*) AS requests,
       count(*) FILTER (WHERE status_class = 4) AS client_errors,
       count(*) FILTER (WHERE status_class = 5) AS server_errors,
       count(*) FILTER (WHERE is_robot) AS robot_requests,
       sum(bytes) AS bytes,
       approx_count_distinct(ip) AS clients
FROM access_logs
GROUP BY hour
ORDER BY hour
