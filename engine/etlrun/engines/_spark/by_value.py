"""Sends functions to executors by value, so that they run there without etlrun, and lets them import what `packages` brought."""

from __future__ import annotations

import glob
import os
import sys

PACKAGES = "etlrun_packages"  # the folder into which executors unpack the archive of `etlrun pack`


def send_by_value(*modules: str) -> None:
    """From now on, functions and classes of these modules are pickled for Spark with their code."""
    from pyspark import cloudpickle

    for module in (__name__, *modules):
        cloudpickle.register_pickle_by_value(sys.modules[module])


def import_packages(packages: str) -> None:
    """Let this process import from the unpacked archive, wherever the executor put it."""
    for place in filter(os.path.isdir, (packages, *glob.glob(f"*/{packages}"))):
        if os.path.abspath(place) not in sys.path:
            sys.path.insert(0, os.path.abspath(place))
