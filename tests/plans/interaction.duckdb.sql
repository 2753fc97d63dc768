-- watched
WITH "watched.1_filter" AS (
  SELECT
    "Contract",
    "AppName",
    "TotalDuration",
    "date"
  FROM "views"
  WHERE
    "Contract" <> '0'
)
SELECT
  "Contract",
  "AppName",
  "TotalDuration",
  "date",
  CASE
    WHEN "AppName" IN ('CHANNEL', 'DSHD', 'KPLUS', 'KPlus')
    THEN 'Truyen Hinh'
    WHEN "AppName" IN ('VOD', 'FIMS_RES', 'BHD_RES', 'VOD_RES', 'FIMS', 'BHD', 'DANET')
    THEN 'Phim Truyen'
    WHEN "AppName" IN ('RELAX')
    THEN 'Giai Tri'
    WHEN "AppName" IN ('CHILD')
    THEN 'Thieu Nhi'
    WHEN "AppName" IN ('SPORT')
    THEN 'The Thao'
  END AS "Type"
FROM "watched.1_filter"
WHERE
  "AppName" IN (
    'CHANNEL',
    'DSHD',
    'KPLUS',
    'KPlus',
    'VOD',
    'FIMS_RES',
    'BHD_RES',
    'VOD_RES',
    'FIMS',
    'BHD',
    'DANET',
    'RELAX',
    'CHILD',
    'SPORT'
  )

-- profile
WITH "profile.1_aggregate" AS (
  SELECT
    "Contract",
    coalesce(
      CAST(sum(CASE WHEN "Type" = 'Giai Tri' THEN "TotalDuration" END) AS BIGINT),
      CAST(0 AS BIGINT)
    ) AS "Total_Giai_Tri",
    coalesce(
      CAST(sum(CASE WHEN "Type" = 'Phim Truyen' THEN "TotalDuration" END) AS BIGINT),
      CAST(0 AS BIGINT)
    ) AS "Total_Phim_Truyen",
    coalesce(
      CAST(sum(CASE WHEN "Type" = 'The Thao' THEN "TotalDuration" END) AS BIGINT),
      CAST(0 AS BIGINT)
    ) AS "Total_The_Thao",
    coalesce(
      CAST(sum(CASE WHEN "Type" = 'Thieu Nhi' THEN "TotalDuration" END) AS BIGINT),
      CAST(0 AS BIGINT)
    ) AS "Total_Thieu_Nhi",
    coalesce(
      CAST(sum(CASE WHEN "Type" = 'Truyen Hinh' THEN "TotalDuration" END) AS BIGINT),
      CAST(0 AS BIGINT)
    ) AS "Total_Truyen_Hinh",
    coalesce(
      CAST(CAST(bit_count(
        CAST(bit_or(
          CASE
            WHEN CAST("date" - CAST('2022-04-01' AS DATE) AS INT) BETWEEN 0 AND 62
            THEN CAST(1 AS BIGINT) << CAST("date" - CAST('2022-04-01' AS DATE) AS INT)
            ELSE CAST((
              (
                (
                  CAST(CAST(1 AS BIGINT) AS INT128) * CAST(CAST(1 AS UBIGINT) << (
                    CAST(CAST("date" - CAST('2022-04-01' AS DATE) AS INT) AS BIGINT) & 63
                  ) AS INT128)
                ) % 18446744073709551616
              ) + 27670116110564327424
            ) % 18446744073709551616 - 9223372036854775808 AS BIGINT)
          END
        ) AS BIGINT)
      ) AS INT) AS BIGINT),
      CAST(0 AS BIGINT)
    ) AS "Active",
    CAST(sum("TotalDuration") AS BIGINT) AS "__etlrun_profile_4"
  FROM "watched"
  GROUP BY
    "Contract"
), "profile.2_argmax" AS (
  SELECT
    "Contract",
    "Total_Giai_Tri",
    "Total_Phim_Truyen",
    "Total_The_Thao",
    "Total_Thieu_Nhi",
    "Total_Truyen_Hinh",
    "Active",
    "__etlrun_profile_4",
    CASE
      WHEN "Total_Truyen_Hinh" = greatest(
        "Total_Truyen_Hinh",
        "Total_Phim_Truyen",
        "Total_Giai_Tri",
        "Total_Thieu_Nhi",
        "Total_The_Thao"
      )
      THEN 'Truyen Hinh'
      WHEN "Total_Phim_Truyen" = greatest(
        "Total_Truyen_Hinh",
        "Total_Phim_Truyen",
        "Total_Giai_Tri",
        "Total_Thieu_Nhi",
        "Total_The_Thao"
      )
      THEN 'Phim Truyen'
      WHEN "Total_Giai_Tri" = greatest(
        "Total_Truyen_Hinh",
        "Total_Phim_Truyen",
        "Total_Giai_Tri",
        "Total_Thieu_Nhi",
        "Total_The_Thao"
      )
      THEN 'Giai Tri'
      WHEN "Total_Thieu_Nhi" = greatest(
        "Total_Truyen_Hinh",
        "Total_Phim_Truyen",
        "Total_Giai_Tri",
        "Total_Thieu_Nhi",
        "Total_The_Thao"
      )
      THEN 'Thieu Nhi'
      WHEN "Total_The_Thao" = greatest(
        "Total_Truyen_Hinh",
        "Total_Phim_Truyen",
        "Total_Giai_Tri",
        "Total_Thieu_Nhi",
        "Total_The_Thao"
      )
      THEN 'The Thao'
    END AS "Most_watched"
  FROM "profile.1_aggregate"
), "profile.3_labels" AS (
  SELECT
    "Contract",
    "Total_Giai_Tri",
    "Total_Phim_Truyen",
    "Total_The_Thao",
    "Total_Thieu_Nhi",
    "Total_Truyen_Hinh",
    "Active",
    "__etlrun_profile_4",
    "Most_watched",
    concat_ws(
      '-',
      CASE WHEN "Total_Giai_Tri" > CAST(0 AS BIGINT) THEN 'Giai Tri' END,
      CASE WHEN "Total_Phim_Truyen" > CAST(0 AS BIGINT) THEN 'Phim Truyen' END,
      CASE WHEN "Total_The_Thao" > CAST(0 AS BIGINT) THEN 'The Thao' END,
      CASE WHEN "Total_Thieu_Nhi" > CAST(0 AS BIGINT) THEN 'Thieu Nhi' END,
      CASE WHEN "Total_Truyen_Hinh" > CAST(0 AS BIGINT) THEN 'Truyen Hinh' END
    ) AS "Taste"
  FROM "profile.2_argmax"
), "profile.4_bucket" AS (
  SELECT
    "Contract",
    "Total_Giai_Tri",
    "Total_Phim_Truyen",
    "Total_The_Thao",
    "Total_Thieu_Nhi",
    "Total_Truyen_Hinh",
    "Active",
    "__etlrun_profile_4",
    "Most_watched",
    "Taste",
    CASE
      WHEN "Active" > CAST(20 AS BIGINT)
      THEN 'High'
      WHEN "Active" >= CAST(10 AS BIGINT)
      THEN 'Medium'
      ELSE 'Low'
    END AS "Level_Activeness"
  FROM "profile.3_labels"
)
SELECT
  "Contract",
  "Total_Giai_Tri",
  "Total_Phim_Truyen",
  "Total_The_Thao",
  "Total_Thieu_Nhi",
  "Total_Truyen_Hinh",
  "Active",
  "__etlrun_profile_4",
  "Most_watched",
  "Taste",
  "Level_Activeness",
  CAST(day(
    last_day(
      CAST(CASE
        WHEN regexp_full_match('2022-04' || '-01', '[0-9]{4}-[0-9]{2}-[0-9]{2}')
        THEN '2022-04' || '-01'
        WHEN regexp_full_match(
          '2022-04' || '-01',
          '^(?:[\x00-\x20\x7f]*([0-9]{4,6})(?:-([0-9]{1,2})(?:-([0-9]{1,2})(?:[ T](?s:.*))?)?)?[\x00-\x20\x7f]*)$'
        )
        THEN coalesce(
          nullif(
            regexp_extract(
              '2022-04' || '-01',
              '^(?:[\x00-\x20\x7f]*([0-9]{4,6})(?:-([0-9]{1,2})(?:-([0-9]{1,2})(?:[ T](?s:.*))?)?)?[\x00-\x20\x7f]*)$',
              1
            ),
            ''
          ),
          ''
        ) || '-' || coalesce(
          nullif(
            regexp_extract(
              '2022-04' || '-01',
              '^(?:[\x00-\x20\x7f]*([0-9]{4,6})(?:-([0-9]{1,2})(?:-([0-9]{1,2})(?:[ T](?s:.*))?)?)?[\x00-\x20\x7f]*)$',
              2
            ),
            ''
          ),
          '1'
        ) || '-' || coalesce(
          nullif(
            regexp_extract(
              '2022-04' || '-01',
              '^(?:[\x00-\x20\x7f]*([0-9]{4,6})(?:-([0-9]{1,2})(?:-([0-9]{1,2})(?:[ T](?s:.*))?)?)?[\x00-\x20\x7f]*)$',
              3
            ),
            ''
          ),
          '1'
        )
        ELSE 'not of type date: ' || (
          '2022-04' || '-01'
        )
      END AS DATE)
    )
  ) AS INT) AS "Days_in_month"
FROM "profile.4_bucket"

-- profile: unique
SELECT
  coalesce(CAST(sum("size") AS BIGINT), CAST(0 AS BIGINT)) AS "rows",
  coalesce(
    CAST(sum(CASE WHEN "size" > CAST(1 AS BIGINT) THEN "size" END) AS BIGINT),
    CAST(0 AS BIGINT)
  ) AS "repeated"
FROM (
  SELECT
    count(*) AS "size"
  FROM "profile"
  GROUP BY
    "Contract"
) AS "groups"

-- profile: not_null
SELECT
  count(*) AS "rows",
  count("Contract") AS "filled_0",
  count("Most_watched") AS "filled_1",
  count("Taste") AS "filled_2"
FROM "profile"

-- profile: accepted
SELECT
  count(*) AS "rows",
  count(
    CASE
      WHEN NOT "Level_Activeness" IN ('High', 'Medium', 'Low')
      THEN "Level_Activeness"
    END
  ) AS "others_0",
  min(
    CASE
      WHEN NOT "Level_Activeness" IN ('High', 'Medium', 'Low')
      THEN "Level_Activeness"
    END
  ) AS "example_0"
FROM "profile"

-- profile: share
SELECT
  count(*) AS "rows",
  count(CASE WHEN NOT regexp_matches("Contract", '^[A-Z]{3}[0-9]+\z') THEN 1 END) AS "met"
FROM "profile"

-- profile: conserved
SELECT
  coalesce(CAST(sum("__etlrun_profile_4") AS BIGINT), CAST(0 AS BIGINT)) AS "left",
  coalesce(
    CAST(sum(
      (
        "Total_Truyen_Hinh" + "Total_Phim_Truyen" + "Total_Giai_Tri" + "Total_Thieu_Nhi" + "Total_The_Thao"
      )
    ) AS BIGINT),
    CAST(0 AS BIGINT)
  ) AS "right"
FROM "profile"
