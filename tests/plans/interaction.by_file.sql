-- for each file
SELECT
  "Contract" AS "__etlrun_key_0",
  CAST(sum(CASE WHEN "Type" = 'Giai Tri' THEN "TotalDuration" END) AS BIGINT) AS "__etlrun_cell_0",
  CAST(sum(CASE WHEN "Type" = 'Phim Truyen' THEN "TotalDuration" END) AS BIGINT) AS "__etlrun_cell_1",
  CAST(sum(CASE WHEN "Type" = 'The Thao' THEN "TotalDuration" END) AS BIGINT) AS "__etlrun_cell_2",
  CAST(sum(CASE WHEN "Type" = 'Thieu Nhi' THEN "TotalDuration" END) AS BIGINT) AS "__etlrun_cell_3",
  CAST(sum(CASE WHEN "Type" = 'Truyen Hinh' THEN "TotalDuration" END) AS BIGINT) AS "__etlrun_cell_4",
  bit_or(
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
  ) AS "__etlrun_cell_5",
  CAST(sum("TotalDuration") AS BIGINT) AS "__etlrun_cell_6"
FROM "watched"
GROUP BY
  "Contract"

-- for all of them
SELECT
  "__etlrun_key_0" AS "Contract",
  coalesce(CAST(sum("__etlrun_cell_0") AS BIGINT), CAST(0 AS BIGINT)) AS "Total_Giai_Tri",
  coalesce(CAST(sum("__etlrun_cell_1") AS BIGINT), CAST(0 AS BIGINT)) AS "Total_Phim_Truyen",
  coalesce(CAST(sum("__etlrun_cell_2") AS BIGINT), CAST(0 AS BIGINT)) AS "Total_The_Thao",
  coalesce(CAST(sum("__etlrun_cell_3") AS BIGINT), CAST(0 AS BIGINT)) AS "Total_Thieu_Nhi",
  coalesce(CAST(sum("__etlrun_cell_4") AS BIGINT), CAST(0 AS BIGINT)) AS "Total_Truyen_Hinh",
  coalesce(
    CAST(CAST(bit_count(CAST(bit_or("__etlrun_cell_5") AS BIGINT)) AS INT) AS BIGINT),
    CAST(0 AS BIGINT)
  ) AS "Active",
  CAST(sum("__etlrun_cell_6") AS BIGINT) AS "__etlrun_profile_4"
FROM "views"
GROUP BY
  "__etlrun_key_0"

-- for several as for one
SELECT
  "__etlrun_key_0" AS "__etlrun_key_0",
  CAST(sum("__etlrun_cell_0") AS BIGINT) AS "__etlrun_cell_0",
  CAST(sum("__etlrun_cell_1") AS BIGINT) AS "__etlrun_cell_1",
  CAST(sum("__etlrun_cell_2") AS BIGINT) AS "__etlrun_cell_2",
  CAST(sum("__etlrun_cell_3") AS BIGINT) AS "__etlrun_cell_3",
  CAST(sum("__etlrun_cell_4") AS BIGINT) AS "__etlrun_cell_4",
  bit_or("__etlrun_cell_5") AS "__etlrun_cell_5",
  CAST(sum("__etlrun_cell_6") AS BIGINT) AS "__etlrun_cell_6"
FROM "views"
GROUP BY
  "__etlrun_key_0"
