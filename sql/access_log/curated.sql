-- The checked lines, the path without its query, the class of the status, and whether a robot asked.
SELECT *,
       split_part(path, '?', 1) AS page,
       status // 100 AS status_class,
       coalesce(regexp_matches(ua, '(?i)bot|crawler|spider|slurp'), false) AS is_robot
FROM input
