"""`etlrun sample-data`: writes synthetic Customer360 logs in the formats of the real ones."""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from etlrun.diagnostics import counted
from etlrun.samples.recipe import MAX_CONTRACTS, Recipe
from etlrun.spec.dates import Dates, DatesError, calendar
from etlrun.spec.fields import Scalar


@click.command("sample-data")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--contracts",
    default=20_000,
    show_default=True,
    type=click.IntRange(0, MAX_CONTRACTS),
    metavar="N",
    help="The number of contracts in the viewing log; 200,000 make about 1 GB per month. 0 writes no viewing log.",
)
@click.option(
    "--users",
    default=5_000,
    show_default=True,
    type=click.IntRange(0, 10_000_000),
    metavar="N",
    help="The number of users in the search log. 0 writes no search log.",
)
@click.option("--month", default="2022-04", show_default=True, metavar="MONTH", help="The month of the viewing log.")
@click.option(
    "--days", default="1-31", show_default=True, metavar="DAYS", help="Only these days of that month: `1-7`, or `1,15`."
)
@click.option(
    "--search-months",
    default="2022-06,2022-07",
    show_default=True,
    metavar="MONTHS",
    help="The months of the search log.",
)
@click.option("--search-days", default="1-14", show_default=True, metavar="DAYS", help="Only these days of each month.")
@click.option(
    "--broken",
    default=0,
    show_default=True,
    type=click.IntRange(0, 1_000_000),
    metavar="N",
    help="The number of broken lines in the viewing log: cut off, not JSON, a number in quotes, and six other kinds.",
)
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(0, 2**31),
    metavar="N",
    help="The same seed gives the same bytes.",
)
@click.option(
    "--force", is_flag=True, help="Write into DIR even if it is not empty; files of the same name are replaced."
)
def command(
    folder: Path,
    contracts: int,
    users: int,
    month: str,
    days: str,
    search_months: str,
    search_days: str,
    broken: int,
    seed: int,
    force: bool,
) -> None:
    """Write synthetic logs to DIR/log_content and DIR/log_search, to try pipelines on.

    They have the formats and the irregularities of real logs: contracts that are `0`, blank or an IP address, unknown apps, days
    without some type of content, searches without a user or keyword, ties, and Vietnamese in many spellings.
    """
    from etlrun.samples.write import refuse_full_folder, write_samples

    if not force:
        refuse_full_folder(folder)
    recipe = Recipe(
        contracts=contracts,
        users=users,
        seed=seed,
        broken=broken,
        viewing_days=_days("--days", month, days),
        search_days=_days("--search-days", search_months, search_days),
    )
    for written in write_samples(folder, recipe):
        click.echo(
            f"{written.folder}: {counted(written.rows, 'row')}, {counted(written.days, 'day')}, {written.bytes / 1e6:,.1f} MB",
            err=True,
        )


def _days(option: str, months: str, days: str) -> tuple[datetime.date, ...]:
    try:
        return calendar(Dates(tuple(Scalar(month.strip()) for month in months.split(",")), Scalar(days)))
    except DatesError as error:
        raise click.BadParameter(str(error), param_hint=f"`{option}`") from error
