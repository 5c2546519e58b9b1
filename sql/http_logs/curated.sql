-- The checked requests plus the class of their status: 2 for 2xx, 5 for 5xx.
SELECT *, status // 100 AS status_class FROM input
