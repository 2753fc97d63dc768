-- a: {code: string, x: int}
-- | code    | x |
-- | VOD     | 1 |
-- | KPLUS   | 2 |
-- | vod     | 4 |
-- | null    | 5 |

-- before
SELECT x FROM a WHERE NOT label_of(code, 'content') IS NULL
-- after
SELECT
  x
FROM a
WHERE
  code IN ('CHANNEL', 'KPLUS', 'VOD')
