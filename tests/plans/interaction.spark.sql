-- watched
WITH `watched.1_filter` AS (
  SELECT
    `Contract`,
    `AppName`,
    `TotalDuration`,
    `date`
  FROM `views`
  WHERE
    `Contract` <> '0'
)
SELECT
  `Contract`,
  `AppName`,
  `TotalDuration`,
  `date`,
  CASE
    WHEN `AppName` IN ('CHANNEL', 'DSHD', 'KPLUS', 'KPlus')
    THEN 'Truyen Hinh'
    WHEN `AppName` IN ('VOD', 'FIMS_RES', 'BHD_RES', 'VOD_RES', 'FIMS', 'BHD', 'DANET')
    THEN 'Phim Truyen'
    WHEN `AppName` IN ('RELAX')
    THEN 'Giai Tri'
    WHEN `AppName` IN ('CHILD')
    THEN 'Thieu Nhi'
    WHEN `AppName` IN ('SPORT')
    THEN 'The Thao'
  END AS `Type`
FROM `watched.1_filter`
WHERE
  `AppName` IN (
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
WITH `profile.1_aggregate` AS (
  SELECT
    `Contract`,
    coalesce(sum(CASE WHEN `Type` = 'Giai Tri' THEN `TotalDuration` END), CAST(0 AS BIGINT)) AS `Total_Giai_Tri`,
    coalesce(sum(CASE WHEN `Type` = 'Phim Truyen' THEN `TotalDuration` END), CAST(0 AS BIGINT)) AS `Total_Phim_Truyen`,
    coalesce(sum(CASE WHEN `Type` = 'The Thao' THEN `TotalDuration` END), CAST(0 AS BIGINT)) AS `Total_The_Thao`,
    coalesce(sum(CASE WHEN `Type` = 'Thieu Nhi' THEN `TotalDuration` END), CAST(0 AS BIGINT)) AS `Total_Thieu_Nhi`,
    coalesce(sum(CASE WHEN `Type` = 'Truyen Hinh' THEN `TotalDuration` END), CAST(0 AS BIGINT)) AS `Total_Truyen_Hinh`,
    coalesce(
      CAST(bit_count(
        bit_or(
          shiftleft(CAST(1 AS BIGINT), CAST(datediff(`date`, CAST('2022-04-01' AS DATE)) & 63 AS INT))
        )
      ) AS BIGINT),
      CAST(0 AS BIGINT)
    ) AS `Active`,
    sum(`TotalDuration`) AS `__etlrun_profile_4`
  FROM `watched`
  GROUP BY
    `Contract`
), `profile.2_argmax` AS (
  SELECT
    `Contract`,
    `Total_Giai_Tri`,
    `Total_Phim_Truyen`,
    `Total_The_Thao`,
    `Total_Thieu_Nhi`,
    `Total_Truyen_Hinh`,
    `Active`,
    `__etlrun_profile_4`,
    CASE
      WHEN `Total_Truyen_Hinh` = greatest(
        `Total_Truyen_Hinh`,
        `Total_Phim_Truyen`,
        `Total_Giai_Tri`,
        `Total_Thieu_Nhi`,
        `Total_The_Thao`
      )
      THEN 'Truyen Hinh'
      WHEN `Total_Phim_Truyen` = greatest(
        `Total_Truyen_Hinh`,
        `Total_Phim_Truyen`,
        `Total_Giai_Tri`,
        `Total_Thieu_Nhi`,
        `Total_The_Thao`
      )
      THEN 'Phim Truyen'
      WHEN `Total_Giai_Tri` = greatest(
        `Total_Truyen_Hinh`,
        `Total_Phim_Truyen`,
        `Total_Giai_Tri`,
        `Total_Thieu_Nhi`,
        `Total_The_Thao`
      )
      THEN 'Giai Tri'
      WHEN `Total_Thieu_Nhi` = greatest(
        `Total_Truyen_Hinh`,
        `Total_Phim_Truyen`,
        `Total_Giai_Tri`,
        `Total_Thieu_Nhi`,
        `Total_The_Thao`
      )
      THEN 'Thieu Nhi'
      WHEN `Total_The_Thao` = greatest(
        `Total_Truyen_Hinh`,
        `Total_Phim_Truyen`,
        `Total_Giai_Tri`,
        `Total_Thieu_Nhi`,
        `Total_The_Thao`
      )
      THEN 'The Thao'
    END AS `Most_watched`
  FROM `profile.1_aggregate`
), `profile.3_labels` AS (
  SELECT
    `Contract`,
    `Total_Giai_Tri`,
    `Total_Phim_Truyen`,
    `Total_The_Thao`,
    `Total_Thieu_Nhi`,
    `Total_Truyen_Hinh`,
    `Active`,
    `__etlrun_profile_4`,
    `Most_watched`,
    concat_ws(
      '-',
      CASE WHEN `Total_Giai_Tri` > 0 THEN 'Giai Tri' END,
      CASE WHEN `Total_Phim_Truyen` > 0 THEN 'Phim Truyen' END,
      CASE WHEN `Total_The_Thao` > 0 THEN 'The Thao' END,
      CASE WHEN `Total_Thieu_Nhi` > 0 THEN 'Thieu Nhi' END,
      CASE WHEN `Total_Truyen_Hinh` > 0 THEN 'Truyen Hinh' END
    ) AS `Taste`
  FROM `profile.2_argmax`
), `profile.4_bucket` AS (
  SELECT
    `Contract`,
    `Total_Giai_Tri`,
    `Total_Phim_Truyen`,
    `Total_The_Thao`,
    `Total_Thieu_Nhi`,
    `Total_Truyen_Hinh`,
    `Active`,
    `__etlrun_profile_4`,
    `Most_watched`,
    `Taste`,
    CASE WHEN `Active` > 20 THEN 'High' WHEN `Active` >= 10 THEN 'Medium' ELSE 'Low' END AS `Level_Activeness`
  FROM `profile.3_labels`
)
SELECT
  `Contract`,
  `Total_Giai_Tri`,
  `Total_Phim_Truyen`,
  `Total_The_Thao`,
  `Total_Thieu_Nhi`,
  `Total_Truyen_Hinh`,
  `Active`,
  `__etlrun_profile_4`,
  `Most_watched`,
  `Taste`,
  `Level_Activeness`,
  day(
    last_day(
      CAST(CASE
        WHEN (
          '2022-04' || '-01'
        ) RLIKE '^[\\x00-\\x20+-]*[0-9]'
        THEN '2022-04' || '-01'
        ELSE concat('?', '2022-04' || '-01')
      END AS DATE)
    )
  ) AS `Days_in_month`
FROM `profile.4_bucket`

-- profile: unique
SELECT
  coalesce(sum(`size`), 0) AS `rows`,
  coalesce(sum(CASE WHEN `size` > 1 THEN `size` END), 0) AS `repeated`
FROM (
  SELECT
    count(*) AS `size`
  FROM `profile`
  GROUP BY
    `Contract`
) AS `groups`

-- profile: not_null
SELECT
  count(*) AS `rows`,
  count(`Contract`) AS `filled_0`,
  count(`Most_watched`) AS `filled_1`,
  count(`Taste`) AS `filled_2`
FROM `profile`

-- profile: accepted
SELECT
  count(*) AS `rows`,
  count(
    CASE
      WHEN NOT `Level_Activeness` IN ('High', 'Medium', 'Low')
      THEN `Level_Activeness`
    END
  ) AS `others_0`,
  min(
    CASE
      WHEN NOT `Level_Activeness` IN ('High', 'Medium', 'Low')
      THEN `Level_Activeness`
    END
  ) AS `example_0`
FROM `profile`

-- profile: share
SELECT
  count(*) AS `rows`,
  count(CASE WHEN NOT rlike(`Contract`, '^[A-Z]{3}[0-9]+\\z') THEN 1 END) AS `met`
FROM `profile`

-- profile: conserved
SELECT
  coalesce(sum(`__etlrun_profile_4`), CAST(0 AS BIGINT)) AS `left`,
  coalesce(
    sum(
      (
        `Total_Truyen_Hinh` + `Total_Phim_Truyen` + `Total_Giai_Tri` + `Total_Thieu_Nhi` + `Total_The_Thao`
      )
    ),
    CAST(0 AS BIGINT)
  ) AS `right`
FROM `profile`
