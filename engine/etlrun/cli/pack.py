"""`etlrun pack`: writes the archive of packages with which executors of a cluster can read files."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import click

from etlrun.cli.words import tell


@click.command("pack")
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT.tar.gz")
@click.option(
    "--with",
    "more",
    multiple=True,
    metavar="PACKAGE",
    help="Add another installed package, such as a plugin; may be repeated.",
)
def command(target: Path, more: tuple[str, ...]) -> None:
    """Write etlrun and its packages into one archive for Spark executors.

    Write the path of the archive into `packages:` of the engine in the profile. The archive contains no Python: the executors
    need the same minor version of Python as this machine.
    """
    from etlrun.deploy.packing import pack

    if not target.name.endswith(".tar.gz"):
        raise click.UsageError(f"{target} does not end in .tar.gz")
    if not target.absolute().parent.is_dir():
        raise click.UsageError(f"there is no folder {target.absolute().parent}")
    try:
        packed = pack(target, more)
    except PackageNotFoundError as error:
        raise click.UsageError(f"the package {error.name} is not installed") from error
    tell(f"packed {', '.join(packed)} into {target} ({target.stat().st_size / 1e6:,.0f} MB)")
