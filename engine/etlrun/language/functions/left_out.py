"""Functions that are left out on purpose, and what to write instead; shown with the message `there is no function ...`."""

from __future__ import annotations

_RUN = "declare a param of type timestamp and use $name"
_SUMS = "compute it from sum(x), sum(x * x) and count(*)"
_HASH = "make it from a column, e.g. with `md5`"
_STEP = "use a `python` step"

# The result differs with every run, or with the order of the rows.
NOT_DETERMINISTIC = {
    **dict.fromkeys(
        (
            "rand",
            "random",
            "randn",
            "uuid",
            "shuffle",
            "monotonically_increasing_id",
            "spark_partition_id",
            "uniform",
            "randstr",
        ),
        _HASH,
    ),
    **dict.fromkeys(("current_date", "curdate", "today"), "declare a param of type date and use $name"),
    **dict.fromkeys(("now", "current_timestamp", "localtimestamp", "current_time"), _RUN),
    "first": "use `max_by`, `min_by` or a `top` step, which say which row comes first",
    "last": "use `max_by` or `min_by`",
    "any_value": "use `min` or `max`",
    "mode": "use an `aggregate` and a `top` step",
    "array_agg": "use `sort_array(collect_list(x))`",
    "listagg": "use `array_join(sort_array(collect_set(x)), ',')`",
    "string_agg": "use `array_join(sort_array(collect_set(x)), ',')`",
    **dict.fromkeys(
        ("approx_count_distinct", "approx_percentile", "percentile_approx", "approx_top_k"),
        "use count(distinct x), `percentile(x, 0.9)` or a `top` step",
    ),
}

# The result differs between engines in some digit or letter.
NOT_EQUAL = {
    **dict.fromkeys(("log1p", "expm1", "sin", "cos", "tan", "cbrt"), _STEP),
    "log": "use `ln`, `log10` or `log2`",
    **dict.fromkeys(
        ("covar_pop", "covar_samp", "skewness", "kurtosis"),
        _SUMS,
    ),
    **dict.fromkeys(
        ("percentile_disc", "quantile", "quantile_cont"),
        "use `percentile(x, 0.9)`",
    ),
    "bround": "use `round`",
    "initcap": "use upper(left(x, 1)) || lower(substring(x, 2))",
    "chr": "write the character",
    "char": "write the character",
    "months_between": "use `datediff`, or year(x) * 12 + month(x)",
    "from_unixtime": "use date_format(timestamp_seconds(n), '...')",
    "unix_timestamp": "use unix_seconds(to_timestamp(text)), or unix_seconds(x) of a timestamp; for the time of a run, a param of type timestamp",
    "to_unix_timestamp": "use unix_seconds(to_timestamp(text, '...'))",
    "format_number": "use cast(round(x, 2) as string)",
    "format_string": "use `concat`",
    "printf": "use `concat`",
    "hash": "use `md5` or `sha2`",
    "xxhash64": "use `md5` or `sha2`",
    "crc32": "use `md5` or `sha2`",
    "soundex": _STEP,
    "levenshtein": _STEP,
    "typeof": "declare the column's type",
    "ilike": "use lower(x) like '...'",
    **dict.fromkeys(
        (
            "array_union",
            "array_intersect",
            "array_except",
            "flatten",
        ),
        _STEP,
    ),
    **dict.fromkeys(
        ("transform", "filter", "aggregate", "exists"),
        "use an `explode` step, and collect the elements again with an `aggregate` step",
    ),
    **dict.fromkeys(("explode", "posexplode", "inline", "stack"), "use an `explode` step"),
    **dict.fromkeys(("struct", "named_struct", "map", "map_from_arrays"), "put the values into separate columns"),
    **dict.fromkeys(
        ("string", "int", "bigint", "double", "date", "timestamp", "boolean", "decimal", "float"), "use cast(x as TYPE)"
    ),
    "extract": "use `year`, `month`, `day`, `hour`, ...",
    "date_part": "use `year`, `month`, `day`, `hour`, ...",
}

# Functions with a different name here.
ELSEWHERE = {
    **dict.fromkeys(
        ("to_number", "to_decimal", "to_numeric", "convert"),
        "use cast(x as decimal(10,2)), with the type that you need",
    ),
    **dict.fromkeys(
        ("to_char", "strftime", "format", "format_datetime", "dateformat"), "use date_format(day, 'yyyy-MM-dd')"
    ),
    **dict.fromkeys(
        ("strptime", "str_to_date", "parse_date", "parse_timestamp", "safe_cast"),
        "use `to_date`, `to_timestamp` or `try_cast`",
    ),
    **dict.fromkeys(("to_int", "to_integer", "to_bigint", "toint"), "use cast(x as bigint)"),
    **dict.fromkeys(("to_string", "to_text", "tostring", "str"), "use cast(x as string)"),
    **dict.fromkeys(("to_double", "to_float"), "use cast(x as double)"),
    **dict.fromkeys(("charindex", "strpos", "indexof"), "use instr(w, 'a'), whose text comes first"),
    **dict.fromkeys(
        ("iif", "decode", "ifelse", "if_else", "case_when", "np_where"), "use if(condition, a, b), or case when"
    ),
    **dict.fromkeys(
        (
            "get_json_object",
            "from_json",
            "json_extract",
            "json_extract_string",
            "json_value",
            "parse_json",
            "json_tuple",
        ),
        "use a `parse` step, or declare the columns of a `json` source",
    ),
    **dict.fromkeys(
        ("to_json", "json_object", "json_array"),
        "declare a column with `raw: true` in the `json` source: it is the JSON text",
    ),
    "grouping": "it is 1 or 0 beside `group by rollup(...)`, `cube(...)` or `grouping sets (...)`: without them leave it out",
    "grouping_id": "use `grouping(a)` for each column",
    **dict.fromkeys(("is_null",), "write x is null"),
    **dict.fromkeys(("is_not_null", "notnull"), "write x is not null"),
    **dict.fromkeys(("char_len",), "use `length`"),
    **dict.fromkeys(("getdate", "sysdate", "systimestamp"), _RUN),
    "top": "write `limit 3` at the end, after ORDER BY",
    **dict.fromkeys(("rownum",), "use row_number() in a `window` step"),
    **dict.fromkeys(("datename", "to_varchar"), "use date_format(day, 'yyyy-MM-dd')"),
    **dict.fromkeys(("generate_series", "range"), "use `sequence`"),
    **dict.fromkeys(("datetrunc", "time_bucket", "date_bin"), "use date_trunc('month', day)"),
    **dict.fromkeys(("toupper",), "use `upper`"),
    **dict.fromkeys(("tolower",), "use `lower`"),
    **dict.fromkeys(("zeroifnull", "nullifzero"), "use coalesce(x, 0), or nullif(x, 0)"),
    **dict.fromkeys(("fillna", "zn", "iferror"), "use coalesce(x, 0)"),
    **dict.fromkeys(("isna",), "write x is null"),
    **dict.fromkeys(("notna",), "write x is not null"),
    **dict.fromkeys(("safe_divide", "try_divide", "div0", "divide"), "write a / nullif(b, 0)"),
    **dict.fromkeys(("rem",), "write a % b"),
    **dict.fromkeys(("roundup",), "use `ceil`"),
    **dict.fromkeys(("rounddown", "truncate"), "use `floor`, or cast(x as bigint)"),
    **dict.fromkeys(("int64", "toint64"), "use cast(x as bigint)"),
    **dict.fromkeys(("float64",), "use cast(x as double)"),
    **dict.fromkeys(
        ("count_distinct", "countdistinct", "nunique", "n_distinct", "uniq", "uniqexact"), "use count(distinct x)"
    ),
    **dict.fromkeys(("sumif", "sum_if", "sumifs"), "use sum(x) filter (where condition)"),
    **dict.fromkeys(("avgif", "avg_if", "averageif", "averageifs"), "use avg(x) filter (where condition)"),
    **dict.fromkeys(("max_if", "maxifs"), "use max(x) filter (where condition)"),
    **dict.fromkeys(("min_if", "minifs"), "use min(x) filter (where condition)"),
    **dict.fromkeys(("counta",), "use count(x)"),
    **dict.fromkeys(("group_concat", "list_agg"), "use array_join(sort_array(collect_set(x)), ',')"),
    **dict.fromkeys(("argmax", "arg_max"), "use max_by(value, order)"),
    **dict.fromkeys(("argmin", "arg_min"), "use min_by(value, order)"),
    **dict.fromkeys(("quantiles",), "use `percentile(x, 0.9)`"),
    **dict.fromkeys(
        ("cumsum", "cummax", "cummin", "cumcount", "rolling_mean", "rolling_sum", "pct_change"), "use a `window` step"
    ),
    **dict.fromkeys(("shift",), "use `lag` or `lead` in a `window` step"),
    **dict.fromkeys(("cut", "bucket", "width_bucket"), "use case when"),
    **dict.fromkeys(("substring_index",), "use split_part(w, ',', 1)"),
    **dict.fromkeys(("textjoin", "join_text", "join"), "use concat_ws(', ', a, b)"),
    **dict.fromkeys(("padleft", "zfill"), "use lpad(w, 5, '0')"),
    **dict.fromkeys(("strip", "trimws"), "use `trim`"),
    **dict.fromkeys(("title", "proper", "capitalize"), "use upper(left(x, 1)) || lower(substring(x, 2))"),
    **dict.fromkeys(("unaccent",), "use translate(w, 'àé', 'ae')"),
    **dict.fromkeys(("regexp_substr",), "use `regexp_extract`"),
    **dict.fromkeys(("regexp_matches", "regexp_contains"), "use `regexp_like`"),
    **dict.fromkeys(
        ("timestamp_diff", "timediff", "days_between"),
        "use datediff(later, earlier), or timestampdiff('hour', earlier, later)",
    ),
    **dict.fromkeys(("add_days", "adddate"), "use date_add(day, 1)"),
    **dict.fromkeys(("subdate",), "use date_sub(day, 1)"),
    **dict.fromkeys(("eomonth", "last_day_of_month"), "use last_day(day)"),
    **dict.fromkeys(("first_day", "first_day_of_month"), "use date_trunc('month', day)"),
    **dict.fromkeys(("dayname", "monthname"), "use date_format(day, 'EEEE'), or 'MMMM' for the month"),
    **dict.fromkeys(("week", "isoweek", "yearweek"), "use weekofyear(day)"),
    **dict.fromkeys(("to_days",), "use unix_date(day)"),
    **dict.fromkeys(("sha256",), "use sha2(w, 256)"),
    **dict.fromkeys(("base64", "unbase64", "unhex", "url_decode", "parse_url"), _STEP),
    **dict.fromkeys(("list_contains",), "use `array_contains`"),
    **dict.fromkeys(("array_length", "list_length"), "use `size`"),
    **dict.fromkeys(("list_sort", "array_sort"), "use `sort_array`"),
    **dict.fromkeys(
        ("json_query", "json_array_length"), "use a `parse` step, or declare the columns of a `json` source"
    ),
}

# Would run code, read files or stop the run.
NOT_SAFE = dict.fromkeys(
    (
        "reflect",
        "java_method",
        "try_reflect",
        "raise_error",
        "assert_true",
        "input_file_name",
        "current_user",
        "session_user",
        "user",
        "current_database",
        "current_schema",
        "current_catalog",
        "version",
        "read_files",
        "getvariable",
        "getenv",
        "read_text",
        "read_csv",
        "read_json",
        "read_parquet",
        "sql_keywords",
        "http_request",
        "ai_query",
        "secret",
    ),
    "",
)
