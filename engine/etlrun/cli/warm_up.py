"""`etlrun warm-up`: records how Spark starts on this machine."""

from __future__ import annotations

import click

from etlrun.cli.words import tell
from etlrun.spec.packages import needing_packages


@click.command("warm-up")
@click.option(
    "--java", default="", metavar="FOLDER", help="The Java of the profile (`java:` of the engine), if it names one."
)
def command(java: str) -> None:
    """Record how Spark starts on this machine, so that later runs start in about half the time.

    It takes about half a minute, and 200 MB in the cache folder of this user. Do it again after an update of Java or PySpark; until
    then, and without it, Spark starts as usual.
    """
    with needing_packages("spark", "the engine spark", ""):
        import pyspark  # noqa: F401
    from etlrun.engines._spark.recorded_start import record_start

    archive = record_start(java)
    tell(f"recorded the start of Spark in {archive} ({archive.stat().st_size / 1e6:,.0f} MB)")
