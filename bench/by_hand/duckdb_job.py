"""The interaction job as an expert writes it by hand for DuckDB: `python duckdb_job.py LOGS OUT`."""

import sys

import duckdb

LOGS, OUT = sys.argv[1], sys.argv[2]

duckdb.sql(
    f"""
    COPY (
        WITH views AS (
            SELECT _source.Contract AS Contract, _source.TotalDuration AS seconds, filename[-13:-6] AS day,
                   CASE WHEN _source.AppName IN ('CHANNEL', 'DSHD', 'KPLUS', 'KPlus') THEN 'Truyen Hinh'
                        WHEN _source.AppName IN ('VOD', 'FIMS_RES', 'BHD_RES', 'VOD_RES', 'FIMS', 'BHD', 'DANET') THEN 'Phim Truyen'
                        WHEN _source.AppName = 'RELAX' THEN 'Giai Tri'
                        WHEN _source.AppName = 'CHILD' THEN 'Thieu Nhi'
                        WHEN _source.AppName = 'SPORT' THEN 'The Thao' END AS Type
            FROM read_json('{LOGS}/*.json', format = 'newline_delimited', filename = true, ignore_errors = true,
                           columns = {{_source: 'STRUCT(Contract VARCHAR, TotalDuration BIGINT, AppName VARCHAR)'}})
            WHERE _source.Contract <> '0'
        ), totals AS (
            SELECT Contract,
                   coalesce(sum(seconds) FILTER (WHERE Type = 'Giai Tri'), 0)::BIGINT AS Total_Giai_Tri,
                   coalesce(sum(seconds) FILTER (WHERE Type = 'Phim Truyen'), 0)::BIGINT AS Total_Phim_Truyen,
                   coalesce(sum(seconds) FILTER (WHERE Type = 'The Thao'), 0)::BIGINT AS Total_The_Thao,
                   coalesce(sum(seconds) FILTER (WHERE Type = 'Thieu Nhi'), 0)::BIGINT AS Total_Thieu_Nhi,
                   coalesce(sum(seconds) FILTER (WHERE Type = 'Truyen Hinh'), 0)::BIGINT AS Total_Truyen_Hinh,
                   count(DISTINCT day) AS Active, min(day) AS some_day
            FROM views WHERE Type IS NOT NULL GROUP BY Contract
        ), best AS (
            SELECT *, greatest(Total_Giai_Tri, Total_Phim_Truyen, Total_The_Thao, Total_Thieu_Nhi, Total_Truyen_Hinh) AS most FROM totals
        )
        SELECT * EXCLUDE (most, some_day),
               CASE most WHEN Total_Truyen_Hinh THEN 'Truyen Hinh' WHEN Total_Phim_Truyen THEN 'Phim Truyen' WHEN Total_Giai_Tri THEN 'Giai Tri'
                         WHEN Total_Thieu_Nhi THEN 'Thieu Nhi' ELSE 'The Thao' END AS Most_watched,
               concat_ws('-', CASE WHEN Total_Giai_Tri > 0 THEN 'Giai Tri' END, CASE WHEN Total_Phim_Truyen > 0 THEN 'Phim Truyen' END,
                         CASE WHEN Total_The_Thao > 0 THEN 'The Thao' END, CASE WHEN Total_Thieu_Nhi > 0 THEN 'Thieu Nhi' END,
                         CASE WHEN Total_Truyen_Hinh > 0 THEN 'Truyen Hinh' END) AS Taste,
               CASE WHEN Active > 20 THEN 'High' WHEN Active >= 10 THEN 'Medium' ELSE 'Low' END AS Level_Activeness,
               day(last_day(strptime(some_day, '%Y%m%d')))::INTEGER AS Days_in_month
        FROM best
    ) TO '{OUT}.parquet' (FORMAT parquet)
    """
)
