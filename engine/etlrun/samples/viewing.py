"""The viewing log: `log_content/YYYYMMDD.json`, one JSON object a line, in no order.

Contracts differ in how often they watch (every day, half of the days, now and then) and in their favourite app. One line
in two hundred has the contract `0`, one in five hundred a blank one, one in a thousand an IP address; one in a hundred an
app that no mapping knows. A contract in fifty watches ten minutes of VOD and of CHANNEL on each of its days, so that the
two tie. On every seventh day nobody watches RELAX or SPORT.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import duckdb

from etlrun.samples.broken import broken_lines, splice
from etlrun.samples.recipe import Recipe, Written

SLOTS = 3  # the most lines a contract makes in a day
APPS = {
    "CHANNEL": 40,
    "VOD": 14,
    "KPLUS": 9,
    "CHILD": 8,
    "RELAX": 7,
    "DSHD": 5,
    "SPORT": 4,
    "FIMS_RES": 3,
    "BHD_RES": 2,
    "VOD_RES": 2,
    "KPlus": 2,
    "FIMS": 1,
    "BHD": 1,
    "DANET": 1,
    "APP": 1,
}
SOMETIMES_ABSENT = ("RELAX", "SPORT")
AREAS = ("HNH", "SGH", "DNH", "HPH", "CTH", "HUH", "NTH", "BDH")


def write_viewing(connection: duckdb.DuckDBPyConnection, folder: Path, recipe: Recipe) -> Written:
    """Write one file for each viewing day of the recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = size = 0
    for number, day in enumerate(recipe.viewing_days):
        path = folder / f"{day:%Y%m%d}.json"
        rows += _write_day(connection, path, day, recipe)
        broken = broken_lines(recipe.broken, number, len(recipe.viewing_days))
        if broken:
            splice(path, broken)
        rows += len(broken)
        size += path.stat().st_size
    return Written(str(folder), len(recipe.viewing_days), rows, size)


def _write_day(connection: duckdb.DuckDBPyConnection, path: Path, day: datetime.date, recipe: Recipe) -> int:
    apps = [app for app, share in APPS.items() for _ in range(share)]
    if day.day % 7 == 5:
        apps = ["CHANNEL" if app in SOMETIMES_ABSENT else app for app in apps]
    values = {
        "path": str(path),
        "contracts": recipe.contracts,
        "slots": SLOTS,
        "seed": recipe.seed,
        "day": day.toordinal(),
        "apps": apps,
        "areas": list(AREAS),
    }
    found = connection.execute(_DAY, values).fetchone()
    assert found is not None
    return int(found[0])


# The multiplications by primes walk through contracts and numbers in an order that looks like none.
_DAY = r"""
copy (
  with slots as (
    select (i * 15485863 + $day::bigint * 7368787) % $contracts as contract, i // $contracts as slot
    from range($contracts::bigint * $slots) numbers(i)
  ),
  drawn as (
    select contract, slot,
           hash(contract, $seed::bigint) as person,
           hash(contract, $day::bigint, $seed::bigint, 1) as today,
           hash(contract, slot, $day::bigint, $seed::bigint, 2) as a,
           hash(contract, slot, $day::bigint, $seed::bigint, 3) as b
    from slots
  ),
  watched as (
    select *,
           case when a % 1000 < 5 then '0'
                when a % 1000 < 7 then ''
                when a % 1000 < 8 then concat('10.', a // 1000 % 256, '.', a // 256000 % 256, '.', a // 65536000 % 254 + 1)
                else concat($areas[contract % 8 + 1], lpad(cast((contract // 8 * 7919 + 579912) % 1000000 as varchar), 6, '0'))
           end as contract_text,
           case when person % 50 = 0 then if(slot = 0, 'VOD', 'CHANNEL')
                else $apps[cast(case when b % 10 < 6 then person // 100 else b // 10 end % 100 as bigint) + 1]
           end as app,
           case when person % 50 = 0 then 600 else (a // 7 % 120 + 1) * (b // 7 % 120 + 1) end as seconds
    from drawn
    where today % 100 < case when person % 10 < 4 then 92 when person % 10 < 7 then 50 else 15 end
      and slot <= case when person % 50 = 0 then 1 else today // 100 % $slots end
  )
  select concat('{"_index":"history","_type":"', lower(app), '","_id":"AX', lpad(cast(a as varchar), 20, '0'),
                '","_score":0,"_source":{"Contract":"', contract_text, '","Mac":"0C96', format('{:08X}', b % 4294967296),
                '","TotalDuration":', seconds, ',"AppName":"', app, '"}}')
  from watched
) to ($path) (format csv, header false, delim '\x01', quote '', escape '')
"""
