"""The function's zip: the same bytes from the same input, and nothing in it that the function does not need.

`build()` for programs; as a script (`make build`) it builds every architecture and says how big each is and what a
cold start takes, beside that of a plain function (see `build_plain`). The input is the pinned requirements, the
modules that the handlers reach and their data files, these scripts, and the Python that compiles the bytecode (its
release counts; without a Python of the function's version the zip has no bytecode, and a cold start takes three to four
times as long: it says so). zlib is taken as it is: another one packs the same files into other bytes.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from cold_start import RUNS, ColdStart, cold_starts
from import_closure import import_closure
from interpreter import Interpreter, compile_tree, interpreter
from service_models import is_model, spoken, write_trimmed
from wheels import ARCHITECTURES, wheels

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".build" / "wheels"
RUNTIME = "3.13"
COMPRESSION = 6  # 9 saves half a per cent of the size and takes three times as long
HANDLER = "consumer_replicator.handlers.replicator"
# The producer's template runs it from the same zip.
CUSTOM_RESOURCE = "producer_events.custom_resource"
PLAIN = Path(__file__).parent / "plain_function"
OUR_PACKAGES = ("consumer_replicator", "producer_events")
# Of these only what the handlers reach; the other wheels ship whole, less what wheels.NOT_SHIPPED names.
REACHED_ONLY = (*OUR_PACKAGES, "aws_lambda_powertools", "jinja2")
NEVER_ENTERED = {
    # Imported in a function that dumps pydantic models for Powertools' own JSON encoder; Logger and Metrics use none.
    "aws_lambda_powertools.event_handler",
}


def build(
    arch: str, python_version: str = RUNTIME, *, out: Path | None = None, root: Path = ROOT, rebuild: bool = False
) -> Path:
    """Builds the zip for Lambda's `arch` (arm64, x86_64) and returns its path; at once when nothing has changed.

    Safe to call from several processes at once. Raises ValueError for an unknown architecture, RuntimeError with
    pip's words when the wheels cannot be installed.
    """
    out = out or root / ".build" / _name(arch, python_version)
    python = interpreter(python_version)
    requirements = root / "consumer_replicator" / "requirements.txt"
    installed = wheels(requirements, arch, python_version, python, CACHE, rebuild=rebuild)
    inputs = _digest(installed, root)
    if rebuild or not _is_built_from(inputs, out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".packing-", dir=out.parent) as folder:
            packed = Path(folder) / out.name
            write_zip(_entries(root, installed, python, Path(folder)), packed)
            stamp = Path(folder) / "stamp"
            stamp.write_text(f"{inputs} {sha256(packed)}\n")
            packed.replace(out)
            stamp.replace(_stamp(out))
    return out


def build_plain(arch: str, python_version: str = RUNTIME) -> Path:
    """The zip of the function that cold starts are compared with: the same files left out, bytecode, the same packing.

    What goes further is what is compared: its bytecode is of the libraries as they are, and its service models whole.
    """
    python = interpreter(python_version)
    installed = wheels(PLAIN / "requirements.txt", arch, python_version, python, CACHE, as_written=True)
    out = ROOT / ".build" / f"plain-function-{arch}-python{python_version}.zip"
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".packing-", dir=out.parent) as folder:
        work, packed = Path(folder) / "ours", Path(folder) / out.name
        work.mkdir()
        shutil.copyfile(PLAIN / "function.py", work / "function.py")
        if python:
            compile_tree(python, work)
        write_zip({file.relative_to(top).as_posix(): file for top in (installed, work) for file in _files(top)}, packed)
        packed.replace(out)
    return out


def machine_architecture() -> str:
    """Lambda's name for this machine's processor."""
    machine = platform.machine().lower()
    return {"aarch64": "arm64", "amd64": "x86_64"}.get(machine, machine)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_zip(entries: Mapping[str, Path], out: Path) -> None:
    """Sorted names, one date, two permissions, one compression: nothing of when, where or by whom it was packed."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as archive:
        for name, file in sorted(entries.items()):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, wherever it was packed: the permissions below are Unix's
            entry.external_attr = (0o100755 if ".so" in file.suffixes else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes(), compresslevel=COMPRESSION)


def _entries(root: Path, installed: Path, python: Interpreter | None, work: Path) -> dict[str, Path]:
    """Name in the zip -> file. `work` is an empty folder for what is made: our modules' bytecode, smaller models."""
    ours, models = work / "ours", work / "models"
    reached = import_closure(_entry_points(root), [root, installed], REACHED_ONLY, NEVER_ENTERED)
    needed = {file for file in reached.values() if file.is_relative_to(installed)}
    modules = sorted(set(reached.values()) - needed)
    operations = spoken(modules)
    for file in _with_data(modules):
        copy = ours / file.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    if python:
        compile_tree(python, ours)
    entries = {"licenses/s3-hydration/LICENSE": root / "LICENSE"}
    entries |= {file.relative_to(ours).as_posix(): file for file in _files(ours)}
    for file in _files(installed):
        name = file.relative_to(installed)
        if is_model(file):
            small = name.with_suffix("")  # .json instead of .json.gz
            write_trimmed(file, operations, models / small)
            entries[small.as_posix()] = models / small
        elif name.parts[0] not in REACHED_ONLY or _source(file) in needed:
            entries[name.as_posix()] = file
    return entries


def _with_data(modules: Iterable[Path]) -> Iterator[Path]:
    """Modules of ours and the files that are named after them (`page.py`: `page.html`, `page.css`): their data."""
    for module in modules:
        yield from (file for file in sorted(module.parent.glob(f"{module.stem}.*")) if file.is_file())


def _entry_points(root: Path) -> list[str]:
    handlers = (root / "consumer_replicator" / "handlers").glob("[!_]*.py")
    return sorted({HANDLER, CUSTOM_RESOURCE, *(f"consumer_replicator.handlers.{handler.stem}" for handler in handlers)})


def _source(file: Path) -> Path:
    """The module of a bytecode file (`a/__pycache__/b.cpython-313.pyc` -> `a/b.py`); any other file is its own."""
    if file.parent.name != "__pycache__":
        return file
    return file.parents[1] / f"{file.name.partition('.')[0]}.py"


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _digest(installed: Path, root: Path) -> str:
    """What the zip is made from; the name of the folder of wheels stands for their pins, platform and Python."""
    digest = hashlib.sha256(installed.name.encode())
    own = Path(__file__).parent.glob("*.py")
    sources = [
        file for package in OUR_PACKAGES for module in (root / package).rglob("*.py") for file in _with_data([module])
    ]
    for file in [*sorted(own), root / "LICENSE", *sorted(sources)]:
        name = file.relative_to(root) if file.is_relative_to(root) else file.name
        digest.update(f"{name} {sha256(file)}\n".encode())
    return digest.hexdigest()


def _is_built_from(inputs: str, out: Path) -> bool:
    stamp = _stamp(out)
    return out.is_file() and stamp.is_file() and stamp.read_text().split() == [inputs, sha256(out)]


def _stamp(out: Path) -> Path:
    return out.with_name(f"{out.name}.inputs")


def _name(arch: str, python_version: str) -> str:
    return (
        f"s3-hydration-{arch}.zip" if python_version == RUNTIME else f"s3-hydration-{arch}-python{python_version}.zip"
    )


@dataclass(frozen=True)
class Built:
    path: str
    arch: str
    python: str
    bytes: int
    unpacked_bytes: int
    files: int
    sha256: str
    bytecode: bool
    cold_start: ColdStart | None  # None: no Python of that version here, or another processor's zip
    plain_cold_start: ColdStart | None  # of the plain function, in the same run


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make build", description="Builds the function's zip.")
    parser.add_argument("--arch", choices=ARCHITECTURES, action="append", help="only this one (default: all)")
    parser.add_argument("--python", default=RUNTIME, metavar="X.Y", help=f"the function's Python (default: {RUNTIME})")
    parser.add_argument("--rebuild", action="store_true", help="as if nothing had been built before")
    parser.add_argument("--json", action="store_true", help="the facts as one JSON document")
    options = parser.parse_args(arguments)
    try:
        built = [_built(arch, options.python, rebuild=options.rebuild) for arch in options.arch or ARCHITECTURES]
    except (RuntimeError, ModuleNotFoundError) as error:
        print(f"Not built: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps([asdict(one) for one in built], indent=2))
    else:
        print("\n".join(map(in_words, built)))
    return 0


def _built(arch: str, python_version: str, *, rebuild: bool) -> Built:
    archive = build(arch, python_version, rebuild=rebuild)
    with zipfile.ZipFile(archive) as unpacked:
        files = unpacked.infolist()
    python = interpreter(python_version)
    cold = plain = None
    if python and arch == machine_architecture():
        functions = [(archive, HANDLER), (build_plain(arch, python_version), "function")]
        cold, plain = cold_starts(functions, python)
    return Built(
        path=os.path.relpath(archive),
        arch=arch,
        python=python_version,
        bytes=archive.stat().st_size,
        unpacked_bytes=sum(file.file_size for file in files),
        files=len(files),
        sha256=sha256(archive),
        bytecode=any(file.filename.endswith(".pyc") for file in files),
        cold_start=cold,
        plain_cold_start=plain,
    )


def in_words(built: Built) -> str:
    lines = [
        built.path,
        f"  {built.bytes / 1e6:.2f} MB, {built.unpacked_bytes / 1e6:.1f} MB unpacked, {built.files} files",
        f"  sha256 {built.sha256}",
    ]
    if not built.bytecode:
        lines.append(
            f"  No Python {built.python} is at hand, so no bytecode: every cold start compiles the modules anew."
        )
    if (cold := built.cold_start) and (plain := built.plain_cold_start):
        heaviest = ", ".join(f"{name} {milliseconds:.0f}" for name, milliseconds in cold.heaviest)
        lines += [
            f"  cold start to the first request: CPU {cold.cpu_ms:.0f} ms (Python {cold.python}, median of {RUNS})",
            f"  of a plain boto3, Powertools and pydantic function: CPU {plain.cpu_ms:.0f} ms",
            f"  ratio {cold.cpu_ms / plain.cpu_ms:.2f}",
            f"  most of it: {heaviest} ms of imports",
        ]
    elif built.arch != machine_architecture():
        lines.append(f"  cold start not measured: this machine is {machine_architecture()}")
    else:
        lines.append(f"  cold start not measured: no Python {built.python} is at hand")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
