"""What the demo puts into the producer's bucket: real files under the keys, headers and tags that break replicators.

A workload is a plan, made the same from the same files every time: what is uploaded first, and then what changes. The
files are a folder of the user's own, or what every machine that runs this has: modules of its Python, and the largest
files of the project's virtual environment for the multipart path.
"""

import mimetypes
import sysconfig
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from random import Random
from typing import BinaryIO

from tests.odd_keys import ODD_KEYS

MIB = 1 << 20
KEY_BYTES = 1024  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
FILES_AT_MOST = 2_000
BYTES_AT_MOST = 2 << 30
LARGE = 16 * MIB  # twice the product's multipart threshold: at least three parts
BURST = 30
SHUFFLE = 2  # the seed: any number, the same every time

# Folders of the standard library that every installation has, and few enough files to watch.
LIBRARY = ("asyncio", "email", "encodings", "html", "http", "importlib", "json", "logging", "sqlite3", "xml", "zipfile")


@dataclass(frozen=True)
class Upload:
    """One object to put: its bytes are the pieces one after the other, `arguments` are PutObject's by name."""

    key: str
    pieces: tuple[Path | bytes, ...]
    arguments: Mapping[str, object] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(len(piece) if isinstance(piece, bytes) else piece.stat().st_size for piece in self.pieces)

    def open(self) -> BinaryIO:
        """The bytes as a seekable file; one file of any size is not read into memory."""
        match self.pieces:
            case (Path() as path,):
                return path.open("rb")
            case pieces:
                return BytesIO(b"".join(p if isinstance(p, bytes) else p.read_bytes() for p in pieces))


@dataclass(frozen=True)
class Changes:
    """What happens to the objects once they are replicated; no key is in two of the groups."""

    overwritten: tuple[Upload, ...]  # in turn, when nothing else happens
    burst: tuple[Upload, ...]  # one key, written again and again
    tagged: Mapping[str, Mapping[str, str]]
    untagged: tuple[str, ...]
    deleted: tuple[str, ...]
    recreated: Upload  # deleted and put again at once

    @property
    def count(self) -> int:
        """Of those that are made at once, one by one, as S3 tells of them."""
        return sum(len(group) for group in (self.burst, self.tagged, self.untagged, self.deleted)) + 2


@dataclass(frozen=True)
class Workload:
    """`left_out` says in words which files were not taken, and why."""

    uploads: tuple[Upload, ...]
    changes: Changes
    left_out: tuple[str, ...] = ()


def workload(folder: Path | None = None) -> Workload:
    """The plan for a folder, or for what is at hand. Raises ValueError, in a sentence, for a folder without files."""
    files, left_out = _named(folder) if folder else (_at_hand(), ())
    if not files:
        raise ValueError(f"{folder} holds no file that can be read")
    uploads = [dressed(number, key, pieces) for number, (key, pieces) in enumerate(files.items())]
    taken = {upload.key for upload in uploads}
    uploads += [upload for upload in _oddities(uploads[0]) if upload.key not in taken]
    return Workload(tuple(uploads), _changes(uploads), left_out)


def dressed(number: int, key: str, pieces: tuple[Path | bytes, ...]) -> Upload:
    """Each object gets the content type of its name; every few, by their number, another thing that a copy carries."""
    content_type, encoding = mimetypes.guess_type(key)
    arguments: dict[str, object] = {"ContentType": content_type or "application/octet-stream"}
    if encoding:
        arguments["ContentEncoding"] = encoding
    for every, dress in DRESSES:
        if number % every == 0:
            arguments |= dress
    return Upload(key, pieces, arguments)


def _encoded_word(text: str) -> str:
    """S3 shows user metadata that is not ASCII as RFC 2047 words, and takes it so.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
    """
    return f"=?UTF-8?B?{b64encode(text.encode()).decode()}?="


DRESSES: Sequence[tuple[int, Mapping[str, object]]] = (
    (3, {"CacheControl": "max-age=3600, must-revalidate"}),
    (4, {"Tagging": "team=data&classification=internal"}),
    (5, {"Metadata": {"author": "s3-hydration", "spaces": "a  b", "title": _encoded_word("Übergröße — 日本語")}}),
    (7, {"ContentDisposition": "attachment; filename*=UTF-8''%e2%82%ac%20rates.txt", "ContentLanguage": "de, en"}),
    (9, {"StorageClass": "STANDARD_IA"}),
    (11, {"Expires": "Thu, 01 Dec 2044 16:00:00 GMT"}),
    (13, {"WebsiteRedirectLocation": "/moved/here.html"}),
    (17, {"Tagging": "empty=&unicode=%C3%BC%20%E6%97%A5&path=a%2Fb%2Bc"}),
)


def _at_hand() -> dict[str, tuple[Path | bytes, ...]]:
    library, packages = (Path(sysconfig.get_paths()[name]) for name in ("stdlib", "purelib"))
    small = (path for folder in LIBRARY for path in _files(library / folder) if path.suffix == ".py")
    files: dict[str, tuple[Path | bytes, ...]] = {
        f"python/{path.relative_to(library).as_posix()}": (path,) for path in small
    }
    models = islice((path for path in _files(packages / "botocore" / "data") if path.suffix == ".gz"), 40)
    largest = sorted(_files(packages), key=lambda path: (-path.stat().st_size, path.as_posix()))[:5]
    for path in (*models, *largest):
        files[f"packages/{path.relative_to(packages).as_posix()}"] = (path,)
    if largest[0].stat().st_size <= LARGE:
        files["packages/largest.bin"] = _at_least(LARGE + 1, largest)
    return files


def _at_least(size: int, paths: Sequence[Path]) -> tuple[Path | bytes, ...]:
    """The files one after the other, again and again, until they are `size` bytes."""
    pieces: list[Path] = []
    while sum(path.stat().st_size for path in pieces) < size:
        pieces += paths
    return tuple(pieces)


def _named(folder: Path) -> tuple[dict[str, tuple[Path | bytes, ...]], tuple[str, ...]]:
    """The folder's files by their keys, up to a bound, and what was left out."""
    files: dict[str, tuple[Path | bytes, ...]] = {}
    left_out: list[str] = []
    size = beyond = 0
    for path in _files(folder):
        key = path.relative_to(folder).as_posix()
        if (why := _unfit(path, key)) is not None:
            left_out.append(f"{key!r}: {why}")
        elif len(files) == FILES_AT_MOST or size + path.stat().st_size > BYTES_AT_MOST:
            beyond += 1
        else:
            files[key] = (path,)
            size += path.stat().st_size
    if beyond:
        left_out.append(
            f"{beyond} more files: the demo takes {FILES_AT_MOST} files and {BYTES_AT_MOST >> 30} GiB at most"
        )
    return files, tuple(left_out)


def _unfit(path: Path, key: str) -> str | None:
    try:
        if len(key.encode()) > KEY_BYTES:
            return f"its path is longer than a key may be, {KEY_BYTES} bytes"
        with path.open("rb"):
            return None
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    except OSError as error:
        return error.strerror or str(error)


def _files(folder: Path) -> Iterator[Path]:
    """Regular files in a fixed order. Symbolic links to folders are not followed, so this ends."""
    for base, folders, names in folder.walk():
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        yield from (path for path in (base / name for name in sorted(names)) if path.is_file())


def _oddities(like: Upload) -> Iterator[Upload]:
    """Keys that break software, objects of no bytes, and folder markers."""
    for number, key in enumerate(ODD_KEYS.values()):
        yield dressed(number, key, (f"the object called {key!r}\n".encode(),))
    yield dressed(0, "empty/zero-bytes", ())
    yield dressed(1, "empty/folder-marker/", ())
    yield replace(like, key="empty/copy-of-a-file-but-empty", pieces=())


def _changes(uploads: Sequence[Upload]) -> Changes:
    """Each group takes its objects from a shuffled pack, so that none is in two and every kind of key is in some."""
    pack = [upload for upload in uploads if upload.size < LARGE]
    Random(SHUFFLE).shuffle(pack)
    pack.sort(key=lambda upload: "Tagging" not in upload.arguments)  # stable: those that have tags come first
    untagged, pack = pack[: min(10, len(pack) // 10)], pack[min(10, len(pack) // 10) :]
    Random(SHUFFLE).shuffle(pack)
    burst, again, *rest = pack
    share = min(20, len(rest) // 3)
    overwritten, tagged, deleted = rest[:share], rest[share : 2 * share], rest[2 * share : 3 * share]
    return Changes(
        overwritten=tuple(replace(each, pieces=(*each.pieces, b"\nand one line more\n")) for each in overwritten),
        burst=tuple(replace(burst, pieces=(f"write {n} of {BURST}\n".encode(),)) for n in range(1, BURST + 1)),
        tagged={upload.key: {"stage": "approved", "by": "ü+ /"} for upload in tagged},
        untagged=tuple(upload.key for upload in untagged),
        deleted=tuple(upload.key for upload in deleted),
        recreated=replace(again, pieces=(b"back again\n",)),
    )
