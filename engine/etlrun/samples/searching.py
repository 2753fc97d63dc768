"""The search log: `log_search/YYYYMMDD/part-*.parquet`, two files a day.

A quarter of the searches has no user, one in sixteen no keyword. A user searches a favourite of the month twice on each
active day, so it leads - except one user in five, who searches two keywords equally often; for one in fifty of all users
even the times are equal. Keywords are titles that viewers type, whole, cut off or with an episode number, in every
spelling that keyboards give: composed and decomposed accents, capitals, doubled spaces.
"""

from __future__ import annotations

import datetime
import unicodedata
from functools import cache
from importlib.resources import files
from pathlib import Path

import duckdb

from etlrun.samples.recipe import Recipe, Written

PARTS = 2


def write_searching(connection: duckdb.DuckDBPyConnection, folder: Path, recipe: Recipe) -> Written:
    """Write one folder for each search day of the recipe."""
    rows = size = 0
    for day in recipe.search_days:
        inside = folder / f"{day:%Y%m%d}"
        inside.mkdir(parents=True, exist_ok=True)
        for part in range(PARTS):
            path = inside / f"part-{part:05}.parquet"
            rows += _write_part(connection, path, day, part, recipe)
            size += path.stat().st_size
    return Written(str(folder), len(recipe.search_days), rows, size)


@cache
def keywords() -> tuple[str, ...]:
    """The titles that viewers search for, composed (NFC), in alphabetical order."""
    return tuple(files("etlrun.samples").joinpath("keywords.txt").read_text(encoding="utf-8").splitlines())


def spellings(keyword: str) -> tuple[str, ...]:
    """A keyword as different keyboards and people write it; the plain spelling comes first and is the commonest."""
    decomposed = unicodedata.normalize("NFD", keyword)
    return (
        keyword,
        keyword,
        keyword,
        decomposed,
        keyword.title(),
        keyword.upper(),
        keyword.replace(" ", "  "),
        f" {keyword}",
    )


def _write_part(
    connection: duckdb.DuckDBPyConnection, path: Path, day: datetime.date, part: int, recipe: Recipe
) -> int:
    titles = [spelling for keyword in keywords() for spelling in spellings(keyword)]
    values = {
        "path": str(path),
        "users": recipe.users,
        "parts": PARTS,
        "part": part,
        "seed": recipe.seed,
        "day": day.toordinal(),
        "month": day.year * 12 + day.month,
        "midnight": datetime.datetime.combine(day, datetime.time()),
        "spellings": titles,
        "kinds": len(spellings("")),
        "titles": len(keywords()),
    }
    found = connection.execute(_PART, values).fetchone()
    assert found is not None
    return int(found[0])


# Slots 0 and 1 of a user and day are the favourites, 2 is a search of the moment, 3 one without a login. The product of two
# draws makes the titles at the front of the (shuffled) list the most frequent.
_PART = r"""
copy (
  with slots as (
    select (i * 15485863 + $day::bigint * 7368787) % $users as member, i // $users as slot
    from range($users::bigint * 4) numbers(i)
    where i % $parts = $part
  ),
  drawn as (
    select member, slot,
           hash(member, $seed::bigint, 4) as person,
           hash(member, $day::bigint, $seed::bigint, 5) as today,
           hash(member, case when hash(member, $seed::bigint, 6) % 10 < 4 then 0 else $month::bigint end, $seed::bigint, 7) as favourite,
           hash(member, slot, $day::bigint, $seed::bigint, 8) as a,
           hash(member, slot, $day::bigint, $seed::bigint, 9) as b
    from slots
  ),
  searched as (
    select *,
           case when slot = 1 and person % 5 = 0 then xor(favourite, 1) when slot < 2 then favourite else a end as topic,
           case when person % 50 = 0 and slot < 2 then today // 1000 % 86400000 else b % 86400000 end as milliseconds
    from drawn
    where today % 100 < case when person // 100 % 10 < 2 then 90 when person // 100 % 10 < 6 then 45 else 20 end
      and (slot < 2 or (slot = 2 and today // 100 % 2 = 0) or (slot = 3 and today // 200 % 6 < 5))
  ),
  typed as (
    select *,
           cast((topic // 8 % $titles * (topic // 4096 % $titles) // $titles * 89 + 31 + topic % 2) % $titles as bigint) as title,
           cast(case when slot < 2 then topic // 1048576 else b end // 8 % $kinds as bigint) as spelling
    from searched
  )
  select format('{:08x}-{:04x}-{:012x}', a % 4294967296, b % 65536, b // 65536) as "eventID",
         concat(strftime($midnight::timestamp, '%Y-%m-%d '),
                rtrim(rtrim(strftime($midnight::timestamp + to_milliseconds(milliseconds::bigint), '%H:%M:%S.%g'), '0'), '.')) as datetime,
         case when slot < 3 then lpad(cast(member * 7919 % 100000000 as varchar), 8, '0') end as user_id,
         case when slot >= 2 and a % 100 < 14 then null
              when slot >= 2 and a % 100 < 15 then '  '
              when slot >= 2 and a % 100 < 30 then concat($spellings[title * $kinds + 1], ' tập ', b % 24 + 1)
              when slot >= 2 and a % 100 < 50 then left($spellings[title * $kinds + 1], (2 + b % 9)::bigint)
              else $spellings[title * $kinds + spelling + 1]
         end as keyword,
         if(b % 3 = 0, 'quit', 'enter') as category,
         ['vnpt', 'viettel', 'fpt', 'cmc'][cast(a % 4 as bigint) + 1] as proxy_isp,
         ['android', 'ios', 'smarttv', 'box', 'web'][cast(person % 5 as bigint) + 1] as platform,
         ['wifi', 'ethernet', '4g', null][cast(a // 4 % 4 as bigint) + 1] as "networkType",
         'search' as action,
         if(slot = 3, []::varchar[], [['VIP'], ['VIP', 'SPORT'], ['KIDS'], []::varchar[]][cast(person % 4 as bigint) + 1]) as "userPlansMap"
  from typed
) to ($path) (format parquet)
"""
