"""Build Apache Kafka's jars and make sure they are the ones we tested.

Responsible for the folder of jars: fetching what the committed list names, checking every file
against its hash there; and for making that list anew. Must not start the broker.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.errors import RewakeError
from streams.local.endpoints import home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

# slf4j-simple and nothing else for logs: log4j's bindings pull kafka-clients back to 3.9.
COORDINATES: Final = "org.apache.kafka:kafka_2.13:4.3.1+org.slf4j:slf4j-simple:1.7.36"
"""What is listed, with all it needs; `write_list` after a change here."""
HASHES: Final = Path(__file__).with_name("kafka_jars.sha256")

_ATTEMPTS: Final = 4
_DOWNLOADS: Final = 6
_PAUSE_SECONDS: Final = 5.0


class Jar(NamedTuple):
    """Where a Maven repository has a jar.

    Examples
    --------
    >>> Jar("org.slf4j", "slf4j-api", "1.7.36").name
    'slf4j-api-1.7.36.jar'
    """

    group: str
    artifact: str
    version: str

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.artifact}-{self.version}.jar"


def read_list(path: Path = HASHES) -> dict[Jar, str]:
    """Read lines of ``digest  group:artifact:version``: jar → hex digest."""
    lines = path.read_text(encoding="ascii").splitlines()
    return {Jar(*jar.split(":")): digest for digest, jar in (line.split() for line in lines)}


def write_list(path: Path = HASHES) -> None:
    """Resolve `COORDINATES` and list what they need today; review it before it is committed."""
    with TemporaryDirectory() as folder:
        os.environ["M2_REPO"] = folder  # jgo reads this from the environment only
        import jgo  # noqa: PLC0415 - an optional dependency

        needed = jgo.resolve(COORDINATES)
        jars = sorted(Jar(jar.groupId, jar.artifactId, jar.version) for jar in needed)
        digests = [_sha256(file) for file in _fetch(Path(folder), jars)]
    lines = [f"{digest}  {':'.join(jar)}\n" for jar, digest in zip(jars, digests, strict=True)]
    path.write_text("".join(lines), encoding="ascii")


def find_mismatches(folder: Path, hashes: Mapping[str, str]) -> list[str]:
    """List what differs between a folder of jars and the hashes, one phrase per file.

    Examples
    --------
    >>> find_mismatches(Path("no such folder"), {"kafka.jar": "00"})
    ['kafka.jar is missing']
    """
    found = {path.name for path in folder.glob("*.jar")}
    problems = [f"{name} is missing" for name in sorted(hashes.keys() - found)]
    problems += [f"{name} is not in the list" for name in sorted(found - hashes.keys())]
    for name in sorted(found & hashes.keys()):
        digest = _sha256(folder / name)
        if digest != hashes[name]:
            problems.append(f"{name} has sha256 {digest}, expected {hashes[name]}")
    return problems


def ensure_jars(
    say: Callable[[str], None], root: Path | None = None, listed: Path = HASHES
) -> Path:
    """Return the folder of verified jars, building it first when it is not there.

    Parameters
    ----------
    say
        Told in words what takes long.
    root
        Folder to build in; ``kafka`` in `home()` when absent.
    listed
        File with the coordinates and hash of every jar.

    Returns
    -------
    Path
        A folder which holds exactly the listed jars. Built by temporary name and renamed, so that
        an interrupted build leaves nothing that looks complete.

    Raises
    ------
    RewakeError
        When the jars cannot be fetched, or are not those the hashes name.
    """
    root = home() / "kafka" if root is None else root
    wanted = read_list(listed)
    hashes = {jar.name: digest for jar, digest in wanted.items()}
    # A new list of hashes means a new folder: a broker that runs keeps its jars.
    folder = root / _sha256(listed)[:12]
    if folder.is_dir():
        problems = find_mismatches(folder, hashes)
        if not problems:
            return folder
        say(f"the jars in {folder} have changed ({problems[0]}): building them again")
        shutil.rmtree(folder)
    _build(folder, root / "build", list(wanted), hashes, say)
    return folder


def _build(
    folder: Path,
    workshop: Path,
    wanted: Sequence[Jar],
    hashes: Mapping[str, str],
    say: Callable[[str], None],
) -> None:
    """Fetch, verify and publish the jars; what stumbles or comes damaged is fetched again."""
    say("fetching Apache Kafka 4.3.1 and what it needs (46 jars, 44 MB; up to a minute) …")
    started = time.monotonic()
    fresh = workshop / "lib"
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _copy(_fetch(workshop, wanted), fresh)
            problem = "\n  ".join(find_mismatches(fresh, hashes)[:10])
        except (OSError, RuntimeError, ValueError) as error:  # no connection, or no such file
            problem = repr(error)
        if not problem:
            break
        if attempt == _ATTEMPTS:
            message = (
                f"expected to fetch the Kafka jars as they are listed, but\n  {problem}\n"
                "Nothing was installed. Check the network, or whether a proxy or mirror delivers "
                "other files, and run the command again."
            )
            raise RewakeError(message)
        say(f"attempt {attempt} failed; trying again in {_PAUSE_SECONDS:.0f} s …\n  {problem}")
        _discard_unverified(workshop, hashes)
        time.sleep(_PAUSE_SECONDS)
    fresh.rename(folder)
    shutil.rmtree(workshop)
    say(f"Kafka is built and verified ({time.monotonic() - started:.0f} s)")


def _fetch(workshop: Path, wanted: Sequence[Jar]) -> list[Path]:
    """Download the jars below the workshop; what is there already is not fetched again."""
    try:
        from jgo.maven import MavenContext  # noqa: PLC0415 - an optional dependency, needed once
    except ImportError as error:
        message = "expected the package `jgo` to be installed: pip install 'rewake[local]'"
        raise RewakeError(message) from error
    # Everything has to stay inside our own folder. The list has all that is needed: to find that
    # out from Maven's descriptions would take longer than the jars.
    maven = MavenContext(repo_cache=workshop / "m2")

    def download(jar: Jar) -> Path:
        return Path(
            maven.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
        )

    with ThreadPoolExecutor(_DOWNLOADS) as pool:
        return list(pool.map(download, wanted))


def _discard_unverified(workshop: Path, hashes: Mapping[str, str]) -> None:
    """Keep only whole jars: an interrupted download looks like a finished one to jgo."""
    for path in list(workshop.rglob("*")):
        if path.is_file() and _sha256(path) != hashes.get(path.name):
            path.unlink()


def _copy(jars: Iterable[Path], folder: Path) -> None:
    """Gather jars from the tree of a Maven repository in one folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for jar in jars:
        shutil.copyfile(jar, folder / jar.name)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
