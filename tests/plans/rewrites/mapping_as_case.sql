-- a: {code: string, x: int}
-- | code    | x |
-- | VOD     | 1 |
-- | KPLUS   | 2 |
-- | CHANNEL | 3 |
-- | vod     | 4 |
-- | null    | 5 |

-- before
SELECT x, label_of(code, 'content') AS label FROM a
-- after
SELECT
  x,
  CASE WHEN code IN ('CHANNEL', 'KPLUS') THEN 'TV' WHEN code IN ('VOD') THEN 'Film' END AS label
FROM a

-- before
SELECT x, coalesce(label_of(code, 'content'), 'none') AS label FROM a WHERE label_of(code, 'content') IS NULL
-- after
SELECT
  x,
  COALESCE(
    CASE WHEN code IN ('CHANNEL', 'KPLUS') THEN 'TV' WHEN code IN ('VOD') THEN 'Film' END,
    'none'
  ) AS label
FROM a
WHERE
  CASE WHEN code IN ('CHANNEL', 'KPLUS') THEN 'TV' WHEN code IN ('VOD') THEN 'Film' END IS NULL
