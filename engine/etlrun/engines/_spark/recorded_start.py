"""The recorded start of Spark's JVM: an archive of its classes, loaded and linked. With it, a start needs half the processor time.

From Java 25 it is an AOT cache (JEP 483, 514 and 515), before it an archive of AppCDS (JEP 350). Java verifies that it belongs to this Java and these
jars; otherwise it starts as without it. But it crashes on an incomplete file, so the size in bytes is in the name of the file.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from etlrun.engines._java import Java, cache_folder, find_java, provide_java
from etlrun.failures import RunFailure

AOT = 25  # the Java version
LONGEST = 600.0  # seconds
NAMEABLE = re.compile(r"[\w/.+@-]+")  # a path that needs no quotes in Java options


def start_option(setting: str) -> str:
    """The option of Java to start with the archive for the Java of a `setting`; empty if there is none. Raises RunFailure `java-missing`."""
    java = _java(setting)
    start, end = _name(java)
    for archive in cache_folder().glob(f"{start}-*{end}"):
        is_whole = archive.name == f"{start}-{archive.stat().st_size}{end}"
        if is_whole and NAMEABLE.fullmatch(str(archive)):
            return f"-XX:{'AOTCache' if java.version >= AOT else 'SharedArchiveFile'}={archive}"
    return ""


def record_start(setting: str) -> Path:
    """Start Spark once, and record its classes in a new archive; returns its path. Raises RunFailure."""
    java = _java(setting)
    start, end = _name(java)
    new = cache_folder() / f".{start}-{os.getpid()}{end}"
    option = f"-XX:{'AOTCacheOutput' if java.version >= AOT else 'ArchiveClassesAtExit'}={new}"
    fix = "run it again; Spark works without the record, only its start takes longer"
    if not NAMEABLE.fullmatch(str(new)):
        message = f"the path of the record has characters that options of Java cannot have: {new.parent}"
        raise RunFailure("engine", "start-not-recorded", message, "set XDG_CACHE_HOME to another folder")
    try:
        subprocess.run(
            [sys.executable, "-P", "-m", "etlrun.engines._spark.training_run", option, setting],
            check=True,
            capture_output=True,
            timeout=LONGEST,
        )
        archive = new.with_name(f"{start}-{new.stat().st_size}{end}")
        new.replace(archive)
    except (OSError, subprocess.SubprocessError) as error:
        new.unlink(missing_ok=True)
        message = f"Java {java.version} at {java.home} did not record its start"
        raise RunFailure("engine", "start-not-recorded", message, fix) from error
    return archive


def _java(setting: str) -> Java:
    """The Java with which Spark starts; its folder may be a stand-in of etlrun. Raises RunFailure `java-missing`."""
    return replace(find_java(setting), home=Path(provide_java(setting)["JAVA_HOME"]))


def _name(java: Java) -> tuple[str, str]:
    """The beginning and the end of the name of an archive for a Java and the installed PySpark."""
    import pyspark

    facts = (str(java.home), str(java.version), pyspark.__version__, str(Path(pyspark.__file__).resolve().parent))
    digest = hashlib.sha256("\0".join(facts).encode()).hexdigest()[:16]
    return f"spark-{digest}", ".aot" if java.version >= AOT else ".jsa"
