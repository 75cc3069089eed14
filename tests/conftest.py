"""Give every test what it may need: real servers, a clean environment, and a seed that is printed.

A test that asks for `kafka`, `redis_url` or `spare_servers` gets a real server and the marker
`server`; nothing here ever skips, so a run without servers is one with ``-m "not server"``.
"""

from __future__ import annotations

import gc
import os
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from segmenters import engine
from streams.local import LocalServers
from tests.interpreted import build_interpreted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xdist.workermanage import WorkerController

FULL_EXAMPLES = "1000"
"""Examples of each property with --full."""
FULL_PROPERTY_S = 3_600
"""Seconds a property may take with --full: the longest takes fifteen minutes of an idle core."""
_SERVER_FIXTURES = {"kafka", "redis_url", "spare_servers"}

_TOGETHER = ("tests/secure/", "tests/streams/serving/")
"""Rooms whose files share servers of their own: one process runs each."""

_LONGEST_FIRST = (
    *("tests/test_demo.py", "tests/page/", "tests/faults/", "tests/secure/", "tests/test_"),
    *("tests/streams/serving/", "tests/streams/test_worker", "tests/streams/webhook/"),
    *("tests/ops/", "tests/segmenters/test_kernel.py", "tests/streams/", "tests/"),
)
"""What takes longest, in this order: begun last, one process would work on it alone in the end."""

_WAITING = (
    *("tests/faults/", "tests/page/", "tests/secure/", "tests/ops/", "tests/test_demo"),
    *("tests/test_how_to", "tests/test_tutorial", "tests/test_compose", "tests/streams/serving/"),
    *("tests/streams/webhook/", "tests/streams/test_worker", "tests/streams/cli/"),
)
"""What waits for servers half of its time; all other tests keep a core busy."""

# numba builds much that stays: looked over as often as by default, compiling takes an eighth more.
gc.set_threshold(50_000, 20, 50)

# Deadlines measure the machine, which is shared; the timeout of a test bounds it anyway.
settings.register_profile("quick", print_blob=True, deadline=None, max_examples=60)
settings.register_profile("thorough", print_blob=True, deadline=None, max_examples=2_000)
settings.load_profile("quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that asks for the full lengths."""
    parser.addoption("--full", action="store_true", help="run long tests at their full length")


@pytest.fixture
def full(pytestconfig: pytest.Config) -> bool:
    """Say whether long tests are to be run at their full length."""
    return bool(pytestconfig.getoption("full"))


def pytest_configure(config: pytest.Config) -> None:
    """Choose a seed that can be printed, where none was given, and how many examples are tried."""
    if config.getoption("full"):
        # Read when the properties are imported, after this.
        os.environ.setdefault("REWAKE_EXAMPLES", FULL_EXAMPLES)
    if config.getoption("hypothesis_seed", None) is None:
        config.option.hypothesis_seed = str(random.SystemRandom().randrange(2**32))


def pytest_report_header(config: pytest.Config) -> str:
    """Print how to run this very run again."""
    return f"repeat with: --hypothesis-seed={config.getoption('hypothesis_seed')}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that need servers by what they ask for, so that none can be forgotten."""
    for item in items:
        if _SERVER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.server)
        if config.getoption("full") and item.nodeid.startswith("tests/properties/"):
            item.add_marker(pytest.mark.timeout(FULL_PROPERTY_S), append=False)
    items.sort(key=lambda item: _place(item.nodeid, _LONGEST_FIRST))


def pytest_collection_finish() -> None:
    """Let no collection of garbage look again at what stays to the end: modules, and all tests."""
    gc.collect()
    gc.freeze()


def _place(nodeid: str, prefixes: Sequence[str]) -> int:
    found = (n for n, prefix in enumerate(prefixes) if nodeid.startswith(prefix))
    return next(found, len(prefixes))


class _ByFile(LoadScopeScheduling):
    """Give a process whole files, or whole rooms: they have started what their tests share.

    As long as there are files of both kinds, one process has those that keep a core busy.
    """

    def _assign_work_unit(self, node: WorkerController) -> None:
        others = [work for other, work in self.assigned_work.items() if other is not node]
        begun = [
            scope for work in others for scope, tests in work.items() if not all(tests.values())
        ]
        has_busy = not all(scope.startswith(_WAITING) for scope in begun)
        wanted = (scope for scope in self.workqueue if scope.startswith(_WAITING) is has_busy)
        if (scope := next(wanted, None)) is not None:
            self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        room = next((room for room in _TOGETHER if nodeid.startswith(room)), "")
        return room or nodeid.split("::", 1)[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> _ByFile:
    """Say how tests are dealt out when several processes run them (``-n``)."""
    return _ByFile(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not tested; here, as where several processes run nobody else may."""
    for reason in sorted(
        {str(each.longrepr[2]) for each in terminalreporter.stats.get("skipped", ())}
    ):
        terminalreporter.write_line(f"NOT TESTED: {reason}", red=True, bold=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run in which not one test ran to its end."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or session.config.option.collectonly:  # none: it is one of several
        return
    if exitstatus == pytest.ExitCode.OK and not reporter.stats.get("passed", ()):
        reporter.write_line("no test has passed: nothing was proved", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep exported REWAKE_ variables out of the tests."""
    for name in [name for name in os.environ if name.startswith("REWAKE_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServers]:
    """Hold the servers of the run; each starts when it is first asked for."""
    servers = LocalServers(tmp_path_factory.mktemp("servers"), print)
    try:
        yield servers
    finally:
        servers.down()


@pytest.fixture(scope="session")
def kafka(_servers: LocalServers) -> str:
    """Give the bootstrap address of a Kafka shared by the run: use topics of your own."""
    return _servers.start("kafka")


@pytest.fixture(scope="session")
def redis_url(_servers: LocalServers) -> str:
    """Give the URL of a Redis shared by the run: use keys of your own."""
    return _servers.start("redis")


@pytest.fixture(scope="session")
def spare_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServers]:
    """Give a Kafka and a Redis which a test may kill, stop or freeze, and has to start again."""
    servers = LocalServers(tmp_path_factory.mktemp("spare"), print)
    try:
        servers.up()
        yield servers
    finally:
        servers.down()


@pytest.fixture(autouse=True)
def _interpreted_where_marked(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    """Compile no kernel for a test that says it may be interpreted: that takes half a minute."""
    if request.node.get_closest_marker("interpreted") and not full:
        monkeypatch.setattr(engine, "build", build_interpreted)
