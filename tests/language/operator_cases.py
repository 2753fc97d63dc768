"""Operators, literals and casts, and what must be an error on both engines."""

from __future__ import annotations

OPERATORS = (
    "pmod(k + 1, 3)", "datediff(d, date_add(date'2022-01-01', k))", "isnull(n) = b", "-mod(k, 3)", "k % (y + 200)", "not isnull(n)", "s not like 'a\\\\%' and b", "p * datediff(d, d)",
    "2 * if(b, k + 1, 2)", "1.5 * mod(k + 2, 3) - p", "k - unix_date(d) % 7", "concat(s, t) || s = t", "isnull(s) or b", "-(k - 1) - -k",
    "cast(n as bigint) + m % 5", "y + 1", "g * g", "p + 1", "p * p", "p * 2", "p - 0.5", "p + y", "-x", "-p", "n / 3", "p / 3", "x / 2", "n div 3", "y div 5", "m div 7",
    "n % 7", "p % 0.3", "x % 2", "-7 % 3", "n = m", "n = p", "x > n", "p >= x", "s = t", "s < 'b'", "s <=> null", "n <=> m", "s is distinct from t", "d = '2022-04-03'",
    "z > '2022-01-01'", "d < z", "b = true", "b and n > 0", "b or n > 0", "not b", "b is true", "b is not false", "s is null", "n between 0 and m", "p between 0 and 1.5",
    "n not between y and 5", "s in ('', 'hello World')", "n in (3, null)", "m in (10, 2.5)", "s not in ('', null)", "d in ('2022-01-31', '1970-01-01')",
    "s || t", "s || null", "s like '%l%'", "s like '_🍥%'", "s like '%\\\\%%'", "s like '%\\\\_'", "s not like 'h%'", "s like ''", "s like '2022-0_-01'",
    "case when b then n when n > 0 then m else 0.5 end", "case n when 3 then 'three' when m then 'm' end", "case when n > 0 then d else '2000-01-01' end",
    "n & 6", "y | 1", "m ^ 5", "~n", "y & m", "if(size(a) > 0, a[0], null)", "i is null", "1.10 * 2", "0.05", ".5", "1e3", "2147483648", "-2147483648",
    "100000000000", "1L", "2.5BD", "date'2022-01-01'", "timestamp'2022-01-01 10:00:00.5'", "'a\\\\b\\n\\'c'", "x = x", "x > 1e299", "-9223372036854775808", "1.0", "12.50",
    "cast(p as decimal(38,4)) * p", "cast(p as decimal(38,2)) + cast(1 as decimal(38,2))", "cast(n as float) + y", "cast(x as float)", "cast(1.1 as float) * 2.5D",
)  # fmt: skip

CASTS = (
    "cast(n as bigint)", "cast(y as int)", "cast(n as double)", "cast(m as double)", "cast(m as decimal(20,0))", "cast(p as double)", "cast(p as bigint)", "cast(-2.99D as int)",
    "cast(2.99 as tinyint)", "cast(p as decimal(12,1))", "cast(1.005D as decimal(10,2))", "cast(1e-7D as decimal(10,7))", "cast(1e15D as decimal(20,2))", "cast(b as int)", "cast(n as boolean)",
    "cast(b as decimal(3,1))", "cast(b as string)", "cast(n as string)", "cast(m as string)", "cast(p as string)", "cast(0.00000001 as string)", "cast(d as string)", "cast(z as string)",
    "cast(d as timestamp)", "cast(z as date)", "cast(cast('12345678901234567890.123456' as decimal(38,6)) as double)", "cast(cast(1.5D as float) as double)", "cast(null as int)",
    "cast('99999999999999999999999999999999999999' as decimal(38,0))", "cast(x as float)", "cast(x * 0 as decimal(10,2))", "cast(cast(2.675 as float) as decimal(10,2))", "cast(y as decimal(5,2))", "cast('0.1' as float)", "cast('3.4e39' as float)",
)  # fmt: skip
_TEXTS = (
    "1", "-1", "+5", " 12 ", "1.5", "1.", ".5", "", " ", "x", "1e3", "1E-2", "149e-4", "1_000", "0x1F", "2147483648", "1,5", "0012", "-0", "NaN", "inf", "-Infinity", "nan", "1.5f", "2d",
    "12.345", "-12.345", "12.355", "1.2345e1", "99999999999", "t", "TRUE", " yes", "n", "0", "on", "2022-04-01", "2022-4-1", " 2022-04-01 ", "2022", "2022-04", "20220401", "2022/04/01",
    "2022-02-30", "2022-04-01x", "2022-04-01 x", "2022-04-01T10:00:00", "2022-04-01 10:00", "2022-04-01 10", "2022-04-01 1:2:3", "2022-04-01 10:00:00.", "2022-04-01 10:00:00.123456789",
    "2022-04-01 24:00:00", "2022-04-01 23:59:60", "2022-04-01 10:00:00Z", "2022-04-01 10:00:00+07:00", "2022-04-01 10:00:00 +7", "12345-01-01", "infinity", "-1-01-01",
    "10:00", "2022-04-01T", "2022-13-01", "0000-01-01", "\\t7\\n", "1 2", "--1", "+-1", "1e", "e1", ".", "1.7976931348623157e309", "4.9e-324", "0.1", "123456789.987654321",
)  # fmt: skip
TEXT_CASTS = tuple(f"try_cast('{text}' as {kind})" for text in _TEXTS for kind in ("int", "bigint", "tinyint", "decimal(10,2)", "double", "boolean", "date", "timestamp"))

ERRORS: tuple[str, ...] = (
    "n + 1", "m - 1", "m + m", "y * cast(2 as tinyint)", "-n", "abs(n)", "abs(m)", "n / 0", "n / y", "x / 0", "p / 0", "n % 0", "x % 0", "p % 0", "mod(n, 0)", "pmod(n, 0)", "n div 0", "m div -1",
    "cast(s as int)", "cast('1.5' as int)", "cast('2147483648' as int)", "cast('x' as double)", "cast('x' as boolean)", "cast('2022-02-30' as date)", "cast('x' as timestamp)", "cast(m as int)",
    "cast(300 as tinyint)", "cast(x as int)", "cast(1e20D as bigint)", "cast(p as decimal(3,2))", "cast(x as decimal(10,2))", "cast(123 as decimal(3,2))", "cast('123' as decimal(3,2))",
    "to_date(s)", "to_date('20220230', 'yyyyMMdd')", "to_date('2022-04-01', 'yyyyMMdd')", "to_timestamp('2022-04-01 24:00:00', 'yyyy-MM-dd HH:mm:ss')", "to_timestamp('x')",
    "make_date(2022, 2, 30)", "element_at(a, 2)", "i[2]", "i[-1]", "element_at(i, y)", "cast('99999999999999999999' as bigint)",
    "cast('99999999999999999999999999999999999999' as decimal(38,0)) + cast('99999999999999999999999999999999999999' as decimal(38,0))", "floor(x)", "ceil(1e300D)",
)  # fmt: skip
AGGREGATE_ERRORS = ("sum(if(m > 0, m, null))", "avg(if(m > 0, m, null))", "sum(cast('99999999999999999999999999999999999999' as decimal(38,0)))")
