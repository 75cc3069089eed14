"""Build Apache Kafka's jars and make sure they are the ones we tested.

Responsible for the folder of jars: resolving it once, checking every file against the committed
hashes. Must not start the broker.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from schemas.errors import RewakeError
from streams.local.endpoints import home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# slf4j-simple and nothing else for logs: log4j's bindings pull kafka-clients back to 3.9.
COORDINATES: Final = "org.apache.kafka:kafka_2.13:4.3.1+org.slf4j:slf4j-simple:1.7.36"
HASHES: Final = Path(__file__).with_name("kafka_jars.sha256")

_ATTEMPTS: Final = 4
_PAUSE_SECONDS: Final = 5.0


def read_hashes(path: Path = HASHES) -> dict[str, str]:
    """Read a file as `sha256sum` writes it: jar name → hex digest."""
    lines = path.read_text(encoding="ascii").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


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
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if digest != hashes[name]:
            problems.append(f"{name} has sha256 {digest}, expected {hashes[name]}")
    return problems


def ensure_jars(say: Callable[[str], None], root: Path | None = None) -> Path:
    """Return the folder of verified jars, building it first when it is not there.

    Parameters
    ----------
    say
        Told in words what takes long.
    root
        Folder to build in; ``kafka`` in `home()` when absent.

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
    hashes = read_hashes()
    # A new list of hashes means a new folder: a broker that runs keeps its jars.
    folder = root / hashlib.sha256(HASHES.read_bytes()).hexdigest()[:12]
    if folder.is_dir():
        problems = find_mismatches(folder, hashes)
        if not problems:
            return folder
        say(f"the jars in {folder} have changed ({problems[0]}): building them again")
        shutil.rmtree(folder)
    _build(folder, root / "build", hashes, say)
    return folder


def _build(
    folder: Path, workshop: Path, hashes: Mapping[str, str], say: Callable[[str], None]
) -> None:
    """Fetch, verify and publish the jars; a damaged download is fetched afresh once."""
    say("fetching Apache Kafka 4.3.1 and what it needs (46 jars, 44 MB; about a minute) …")
    started = time.monotonic()
    fresh = workshop / "lib"
    for last in (False, True):
        _copy(_resolve(workshop, say), fresh)
        problems = find_mismatches(fresh, hashes)
        if not problems:
            break
        shutil.rmtree(workshop)
        if last:
            listed = "\n  ".join(problems[:10])
            message = (
                f"expected the Kafka jars to match {HASHES.name}, but\n  {listed}\n"
                "Nothing was installed. A proxy or mirror may deliver other files: fetch from "
                "another network, or compare the digests with those the Kafka project publishes."
            )
            raise RewakeError(message)
        say(f"{problems[0]}: fetching everything once more …")
    fresh.rename(folder)
    shutil.rmtree(workshop)
    say(f"Kafka is built and verified ({time.monotonic() - started:.0f} s)")


def _resolve(workshop: Path, say: Callable[[str], None]) -> Iterable[Path]:
    """Download the jars below the workshop; a registry that stumbles is asked again."""
    cache, repository = workshop / "jgo", workshop / "m2"
    # jgo reads both from the environment only; everything has to stay inside our own folder.
    os.environ["JGO_CACHE_DIR"], os.environ["M2_REPO"] = str(cache), str(repository)
    try:
        import jgo  # noqa: PLC0415 - an optional dependency, needed once
    except ImportError as error:
        message = "expected the package `jgo` to be installed: pip install 'rewake[local]'"
        raise RewakeError(message) from error
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return [Path(jar) for jar in jgo.build(COORDINATES, cache_dir=cache).all_jars]
        except Exception as error:  # whatever a download can raise: named in the message
            if attempt == _ATTEMPTS:
                message = (
                    f"expected to fetch {COORDINATES}, failed {attempt} times: {error!r}; check "
                    "the network or the proxy and run the command again (finished downloads stay)"
                )
                raise RewakeError(message) from error
            say(f"attempt {attempt} failed ({error!r}); trying again in {_PAUSE_SECONDS:.0f} s …")
            time.sleep(_PAUSE_SECONDS)
    raise AssertionError  # the loop returns or raises


def _copy(jars: Iterable[Path], folder: Path) -> None:
    """Gather jars, which are links into two folders, as plain files in one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for jar in jars:
        shutil.copyfile(jar, folder / jar.name)
