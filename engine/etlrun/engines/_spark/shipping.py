"""Sends the archive of `etlrun pack` to executors, which unpack it into their working folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from etlrun.engines._spark.by_value import PACKAGES
from etlrun.engines._spark.errors import first_line
from etlrun.failures import RunFailure

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ARCHIVES, PATH = "spark.archives", "spark.executorEnv.PYTHONPATH"


def with_packages(archive: str, settings: Mapping[str, str]) -> dict[str, str]:
    """The settings with which executors unpack the archive and import from it first. Raises RunFailure if it does not exist."""
    _refuse_absent(archive)
    archives = ",".join(filter(None, [settings.get(ARCHIVES, ""), f"{archive}#{PACKAGES}"]))
    path = ":".join(filter(None, [f"./{PACKAGES}", settings.get(PATH, "")]))
    return {**settings, ARCHIVES: archives, PATH: path}


def send_packages(spark: SparkSession, archive: str) -> None:
    """Send the archive to the executors of a Spark Connect server. Raises RunFailure if it does not exist, or the server refuses it."""
    from pyspark.errors import PySparkException

    _refuse_absent(archive)
    try:
        spark.addArtifacts(f"{archive}#{PACKAGES}", archive=True)
    except PySparkException as error:
        message = f"the Spark Connect server does not accept `packages` ({first_line(error)})"
        raise RunFailure(
            "engine", "engine-setting", message, "install the packages on the server, and remove `packages`"
        ) from error


def _refuse_absent(archive: str) -> None:
    if "://" not in archive and not (os.path.isabs(archive) and os.path.isfile(archive)):
        message = f"the file in `packages` of the profile's engine does not exist: {archive}"
        raise RunFailure(
            "usage",
            "file-not-found",
            message,
            "write the absolute path of an archive that `etlrun pack OUT.tar.gz` wrote",
        )
