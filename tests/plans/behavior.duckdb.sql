-- top_search
WITH "top_search.1_filter" AS (
  SELECT
    "user_id",
    "keyword",
    "datetime",
    "date"
  FROM "searches"
  WHERE
    NOT "user_id" IS NULL AND trim("keyword", ' ') <> ''
), "top_search.2_derive" AS (
  SELECT
    "user_id",
    "keyword",
    "datetime",
    "date",
    strftime("date", '%Y-%m') AS "month"
  FROM "top_search.1_filter"
), "top_search.3_aggregate" AS (
  SELECT
    "user_id",
    "month",
    "keyword",
    count(*) AS "hits",
    max("datetime") AS "last_at"
  FROM "top_search.2_derive"
  GROUP BY
    "user_id",
    "month",
    "keyword"
)
SELECT
  "user_id",
  "month",
  "keyword",
  "hits",
  "last_at"
FROM (
  SELECT
    "user_id",
    "month",
    "keyword",
    "hits",
    "last_at",
    CAST(row_number() OVER (
      PARTITION BY "user_id", "month"
      ORDER BY "hits" DESC NULLS LAST, "last_at" DESC NULLS LAST, "keyword" NULLS FIRST
    ) AS INT) AS "__etlrun_rank"
  FROM "top_search.3_aggregate"
) AS "ranked"
WHERE
  "__etlrun_rank" <= 1

-- classified
SELECT
  "asked"."user_id",
  "asked"."month",
  "asked"."keyword",
  "asked"."hits",
  "asked"."last_at",
  "answers"."category" AS "category"
FROM "top_search" AS "asked"
LEFT JOIN "classified.1_answers" AS "answers"
  ON "asked"."keyword" = "answers"."key"

-- behavior
SELECT
  "user_id",
  "most_search_T6",
  "category_T6",
  "most_search_T7",
  "category_T7",
  CASE
    WHEN "category_T6" = "category_T7"
    THEN 'Unchanged'
    WHEN "category_T6" <> "category_T7"
    THEN 'Changed'
  END AS "Trending_Type",
  CASE
    WHEN "category_T6" = "category_T7"
    THEN 'Unchanged'
    WHEN "category_T6" <> "category_T7"
    THEN (
      (
        "category_T6" || '-'
      ) || "category_T7"
    )
  END AS "Category_Change"
FROM (
  SELECT
    "user_id",
    max(CASE WHEN "month" = '2022-06' THEN "keyword" END) AS "most_search_T6",
    max(CASE WHEN "month" = '2022-06' THEN "category" END) AS "category_T6",
    count(CASE WHEN "month" = '2022-06' THEN 1 END) AS "__etlrun_seen_T6",
    max(CASE WHEN "month" = '2022-07' THEN "keyword" END) AS "most_search_T7",
    max(CASE WHEN "month" = '2022-07' THEN "category" END) AS "category_T7",
    count(CASE WHEN "month" = '2022-07' THEN 1 END) AS "__etlrun_seen_T7"
  FROM "classified"
  WHERE
    "month" IN ('2022-06', '2022-07')
  GROUP BY
    "user_id"
) AS "sides"
WHERE
  "__etlrun_seen_T6" > CAST(0 AS BIGINT) AND "__etlrun_seen_T7" > CAST(0 AS BIGINT)

-- behavior: unique
SELECT
  coalesce(CAST(sum("size") AS BIGINT), CAST(0 AS BIGINT)) AS "rows",
  coalesce(
    CAST(sum(CASE WHEN "size" > CAST(1 AS BIGINT) THEN "size" END) AS BIGINT),
    CAST(0 AS BIGINT)
  ) AS "repeated"
FROM (
  SELECT
    count(*) AS "size"
  FROM "behavior"
  GROUP BY
    "user_id"
) AS "groups"

-- behavior: share
SELECT
  count(*) AS "rows",
  count(CASE WHEN "category_T7" = 'Other' THEN 1 END) AS "met"
FROM "behavior"
