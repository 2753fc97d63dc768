-- a: {k: string, date: date, other: date}
-- | k    | date       | other      |
-- | u    | 2022-04-01 | 2022-04-01 |
-- | u    | 2022-04-01 | 2022-04-02 |
-- | u    | 2022-04-30 | 2022-04-02 |
-- | v    | null       | 2022-04-01 |
-- | null | 2022-04-15 | null       |
-- | null | null       | null       |

-- before
SELECT k, count(DISTINCT date) AS days FROM a GROUP BY k
-- after
SELECT
  k,
  COALESCE(
    CAST(BIT_COUNT(BIT_OR(SHIFTLEFT(CAST(1 AS BIGINT), DATEDIFF(date, CAST('2022-04-01' AS DATE))))) AS BIGINT),
    CAST(0 AS BIGINT)
  ) AS days
FROM a
GROUP BY
  k

-- before
SELECT count(DISTINCT date) AS days FROM a WHERE k = 'nobody'
-- after
SELECT
  COALESCE(
    CAST(BIT_COUNT(BIT_OR(SHIFTLEFT(CAST(1 AS BIGINT), DATEDIFF(date, CAST('2022-04-01' AS DATE))))) AS BIGINT),
    CAST(0 AS BIGINT)
  ) AS days
FROM a
WHERE
  k = 'nobody'

-- before
SELECT k, count(DISTINCT other) AS days, count(date) AS known FROM a GROUP BY k
-- after
SELECT
  k,
  COUNT(DISTINCT other) AS days,
  COUNT(date) AS known
FROM a
GROUP BY
  k
