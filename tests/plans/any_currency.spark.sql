-- any_currency
SELECT
  `day`,
  coalesce(sum(CASE WHEN `currency` = '{label}' THEN `amount` END), CAST(0 AS DECIMAL(22, 2))) AS `in_{label}`
FROM `orders`
GROUP BY
  `day`

-- orders: unique
SELECT
  coalesce(sum(`size`), 0) AS `rows`,
  coalesce(sum(CASE WHEN `size` > 1 THEN `size` END), 0) AS `repeated`
FROM (
  SELECT
    count(*) AS `size`
  FROM `orders`
  GROUP BY
    `id`
) AS `groups`

-- any_currency: pivot
SELECT
  coalesce(sum(`rows`), CAST(0 AS BIGINT)) AS `rows`,
  coalesce(
    sum(
      CASE WHEN NOT (
        NOT `label` IS NULL AND `label` IN ('{label}')
      ) THEN `rows` END
    ),
    CAST(0 AS BIGINT)
  ) AS `unlisted`,
  count(CASE WHEN NOT (
    NOT `label` IS NULL AND `label` IN ('{label}')
  ) THEN 1 END) AS `labels`,
  max(CASE WHEN `place` = 1 THEN `label` END) AS `label_1`,
  max(CASE WHEN `place` = 1 THEN `rows` END) AS `rows_1`,
  max(CASE WHEN `place` = 2 THEN `label` END) AS `label_2`,
  max(CASE WHEN `place` = 2 THEN `rows` END) AS `rows_2`,
  max(CASE WHEN `place` = 3 THEN `label` END) AS `label_3`,
  max(CASE WHEN `place` = 3 THEN `rows` END) AS `rows_3`,
  max(CASE WHEN `place` = 4 THEN `label` END) AS `label_4`,
  max(CASE WHEN `place` = 4 THEN `rows` END) AS `rows_4`,
  max(CASE WHEN `place` = 5 THEN `label` END) AS `label_5`,
  max(CASE WHEN `place` = 5 THEN `rows` END) AS `rows_5`
FROM (
  SELECT
    `label`,
    `rows`,
    row_number() OVER (
      ORDER BY CASE WHEN NOT `label` IS NULL AND `label` IN ('{label}') THEN 1 ELSE 0 END NULLS LAST, `rows` DESC NULLS LAST, `label` NULLS FIRST
    ) AS `place`
  FROM (
    SELECT
      `currency` AS `label`,
      count(*) AS `rows`
    FROM `orders`
    GROUP BY
      `currency`
  ) AS `groups`
) AS `placed`
