"""The third-party half of the function's zip: the pinned wheels of the function's platform, less what it never opens.

Installed once for each set of pins, platform and Python into a folder named after their digest. It is made under
another name and renamed when it is complete, so a broken or interrupted installation is never taken for a finished one,
and two builds at once do not meet.
"""

import fnmatch
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from interpreter import Interpreter, compile_tree

# Lambda's name for a processor -> the wheels' name for it.
# https://docs.aws.amazon.com/lambda/latest/dg/foundation-arch.html
ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}

# Python 3.12 and newer run on Amazon Linux 2023, whose glibc is 2.34: any manylinux up to that loads.
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html
PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")

SERVICES = ("dynamodb", "s3", "sqs", "sts")

NOT_SHIPPED = {
    "bin/*": "command lines",
    "*.c": "sources of what is compiled",
    "*.h": "sources of what is compiled",
    "*.pyx": "sources of what is compiled",
    "*.pyi": "for type checkers",
    "*py.typed": "for type checkers",
    "*/tests/*": "the libraries' own tests",
    "*/__pycache__/*": "made again by the function's own Python",
    "annotated_types/test_cases.py": "the library's own tests",
    "botocore/data/*/examples-1.json": "documentation",
    "botocore/crt/auth.py": "needs awscrt, which is not installed",
    "dateutil/zoneinfo/*": "time zones by name, for systems without their own; AWS answers in UTC",
    "pydantic/mypy.py": "for type checkers",
    "pydantic/v1/*": "models of pydantic 1",
    "urllib3/contrib/emscripten/*": "for browsers",
}

# Imports that are made when the function that needs them is called, which in Lambda none is: 16 ms of a cold start.
DEFERRED = {
    "botocore/docs/__init__.py": ["ServiceDocumenter"],
    "botocore/docs/docstring.py": [
        "DocumentStructure",
        "document_model_driven_method",
        "document_paginate_method",
        "document_wait_method",
    ],
    "urllib3/http2/__init__.py": ["version"],
}

SCRIPTS = ("wheels.py", "compile_modules.py", "deferred_imports.py")

# The licences of what we pass on ask that their text goes along.
LICENCES = ("LICEN[CS]E*", "NOTICE*", "COPYING*", "AUTHORS*")


def wheels(
    requirements: Path,
    arch: str,
    python_version: str,
    python: Interpreter | None,
    cache: Path,
    *,
    rebuild: bool = False,
    as_written: bool = False,
) -> Path:
    """The folder of installed wheels in `cache`, installed now if it is not there; with bytecode if `python` is given.

    `as_written`: bytecode with its docstrings, and with every import where the libraries make it. Raises ValueError for
    a processor that Lambda does not have, RuntimeError when pip fails.
    """
    if arch not in ARCHITECTURES:
        raise ValueError(f"Lambda has no architecture {arch!r}; it has {' and '.join(ARCHITECTURES)}.")
    release = python.release if python else "no bytecode"
    pins = requirements.read_bytes()
    scripts = [Path(__file__).with_name(name).read_bytes() for name in SCRIPTS]
    made_from = [pins, arch.encode(), python_version.encode(), release.encode(), str(as_written).encode(), *scripts]
    digest = hashlib.sha256(b"\0".join(made_from)).hexdigest()[:16]
    folder = cache / f"{arch}-python{python_version}-{digest}"
    if rebuild and folder.is_dir():
        _discard(folder)
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=cache))
        try:
            install(requirements, arch, python_version, unfinished)
            trim(unfinished)
            if python:
                compile_tree(
                    python, unfinished, docstrings=as_written, deferred={} if as_written else _deferred(unfinished)
                )
            _rename(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _deferred(folder: Path) -> dict[str, list[str]]:
    """Of the libraries that are there."""
    return {name: imports for name, imports in DEFERRED.items() if (folder / name.partition("/")[0]).is_dir()}


def install(requirements: Path, arch: str, python_version: str, target: Path) -> None:
    platforms = [f"--platform={platform}_{ARCHITECTURES[arch]}" for platform in PLATFORMS]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    command += ["--no-deps", "--only-binary=:all:", "--no-compile", "--implementation=cp"]
    command += [f"--python-version={python_version}", *platforms, f"--target={target}", f"--requirement={requirements}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"pip could not install the wheels for {arch}, Python {python_version}:\n{result.stderr}")


def trim(folder: Path) -> None:
    """Takes away what the function never opens, and gathers the licence texts in `licenses/<package-version>/`."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        relative = path.relative_to(folder).as_posix()
        if ".dist-info/" in relative:
            _keep_licence(path, folder)
        elif _is_not_shipped(path, relative):
            path.unlink()
    for path in folder.glob("*.dist-info"):
        shutil.rmtree(path)
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()
    _trim_endpoints(folder / "botocore" / "data" / "endpoints.json")


def _keep_licence(path: Path, folder: Path) -> None:
    package, _, rest = path.relative_to(folder).as_posix().partition(".dist-info/")
    if any(fnmatch.fnmatch(path.name.upper(), pattern) for pattern in LICENCES):
        kept = folder / "licenses" / package / rest.removeprefix("licenses/")
        kept.parent.mkdir(parents=True, exist_ok=True)
        path.rename(kept)


def _is_not_shipped(path: Path, relative: str) -> bool:
    if any(fnmatch.fnmatch(relative, pattern) for pattern in NOT_SHIPPED):
        return True
    match relative.split("/"):
        case ["botocore", "data", service, version, _]:
            newest = max(entry.name for entry in path.parents[1].iterdir())
            return service not in SERVICES or version != newest
        case _:
            return False


def _trim_endpoints(path: Path) -> None:
    """botocore parses this file with the first client: 1.3 MB for all services; for ours 30 KB, and 20 ms less."""
    if not path.is_file():
        return
    endpoints = json.loads(path.read_bytes())
    for partition in endpoints["partitions"]:
        partition["services"] = {name: facts for name, facts in partition["services"].items() if name in SERVICES}
    path.write_text(json.dumps(endpoints, separators=(",", ":"), sort_keys=True), encoding="utf-8")


def _discard(folder: Path) -> None:
    """Out of the way in one step, then deleted: nobody finds half of it."""
    discarded = Path(tempfile.mkdtemp(prefix=".discarded-", dir=folder.parent))
    folder.rename(discarded / folder.name)
    shutil.rmtree(discarded)


def _rename(unfinished: Path, folder: Path) -> None:
    unfinished.chmod(0o755)
    try:
        unfinished.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another build was quicker, with the same result
            raise
