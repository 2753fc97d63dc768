-- a: {k: string, t: string, x: bigint}
-- | k    | t    | x    |
-- | u    | TV   | 1    |
-- | u    | TV   | 1    |
-- | u    | Film | 4    |
-- | v    | TV   | null |
-- | v    | null | 7    |
-- | null | Film | 9    |

-- before
SELECT k, sum(x) FILTER(WHERE t = 'TV') AS tv, sum(x) FILTER(WHERE t = 'Film') AS film FROM a GROUP BY k
-- after
SELECT
  k,
  SUM(CASE WHEN t = 'TV' THEN x END) AS tv,
  SUM(CASE WHEN t = 'Film' THEN x END) AS film
FROM a
GROUP BY
  k

-- before
SELECT count(*) FILTER(WHERE t = 'TV') AS n, count(x) FILTER(WHERE t = 'TV') AS known, count(DISTINCT x) FILTER(WHERE t = 'TV') AS kinds FROM a
-- after
SELECT
  COUNT(CASE WHEN t = 'TV' THEN 1 END) AS n,
  COUNT(CASE WHEN t = 'TV' THEN x END) AS known,
  COUNT(DISTINCT CASE WHEN t = 'TV' THEN x END) AS kinds
FROM a

-- before
SELECT k, coalesce(sum(x) FILTER(WHERE t = 'TV') - min(x) FILTER(WHERE t = 'TV'), 0) AS spread FROM a GROUP BY k
-- after
SELECT
  k,
  COALESCE(SUM(CASE WHEN t = 'TV' THEN x END) - MIN(CASE WHEN t = 'TV' THEN x END), 0) AS spread
FROM a
GROUP BY
  k
