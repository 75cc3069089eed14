"""Trade in a simulated world, break things, and say what must hold at every moment and at the end.

Responsible for the operations a test may do (facts, crashes, pauses, rebalances, lost answers,
clocks that jump) and for the checks:

- whenever a clock is published, every fact before it is in the committed state, and so is every
  deadline before it; no profile is shown, and no offset acknowledged, before it is committed;
- at the end, when everything has healed, state and changes are those of the facts in their order,
  each change once, and each bad record has one dead letter.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from faust.types import TP

from schemas.errors import DeliveryError, ProducerFailed
from segmenters.instants import NEVER
from streams.partitioner import partitions_of
from streams.position import POSITION_KEY, read
from tests.simulation.broker import Broker
from tests.simulation.onlookers import BrokenError, Cache, Listener
from tests.simulation.process import (
    CHANGELOG,
    CHANGES,
    GRACE_MS,
    INPUTS,
    LETTERS,
    PARTITIONS,
    RELEASE_S,
    Process,
)
from tests.simulation.silence import PATIENCE_MS, Row, SilenceEngine, Told, expected
from tests.simulation.world import World

BEGIN_MS = 1_700_000_000_000
CUSTOMERS = [f"c-{number}" for number in range(5)]
HOMES = dict(
    zip(
        CUSTOMERS,
        partitions_of([name.encode() for name in CUSTOMERS], PARTITIONS).tolist(),
        strict=True,
    )
)
OPEN = "the shop's own transaction"


class Shop:
    """A world with a broker, customers and workers.

    Parameters
    ----------
    seed
        Of everything random.
    """

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.broker = Broker(self.now_ms)
        self.facts: dict[str, list[tuple[int, str]]] = {name: [] for name in CUSTOMERS}
        self.topic: dict[str, str] = {}
        self.bad = 0
        self.processes: list[Process] = []
        self.generation = self.shared = 0
        self.joined: list[Process] = []
        self._read: dict[int, tuple[int, dict[str, Row]]] = {}
        self._wanted: dict[tuple[str, int], Row] = {}
        self.losing = 0
        self.crashes = 0
        self.failures: list[Exception] = []
        self.trouble: Exception | None = None
        for topic in INPUTS:
            for number in range(PARTITIONS):
                self.broker.log(TP(topic, number))

    def now_ms(self) -> int:
        return BEGIN_MS + int(self.world.now * 1000)

    # ---- what happens

    def trade(self, count: int) -> None:
        """Append facts of now, some of them a little late, some records bad.

        Odd customers use one topic alone and their producer's clock is slow within the grace, so
        that a topic is not in order of time. The others' facts carry the very instant, and come on
        the other topic only when more than the grace has passed: nearer ones may overtake.
        """
        chance = self.world.chance
        for _ in range(count):
            self.world.run(seconds=0.002)
            number = chance.randrange(len(CUSTOMERS))
            customer, topics = CUSTOMERS[number], list(INPUTS)
            known = self.facts[customer]
            topic, lag = topics[number % 4 // 2], chance.randrange(GRACE_MS // 2)
            if number % 2 == 0:
                apart = not known or self.now_ms() > known[-1][0] + GRACE_MS
                topic, lag = (chance.choice(topics) if apart else self.topic[customer]), 0
            self.topic[customer] = topic
            ts = max(self.now_ms() - lag, known[-1][0] + 1 if known else 0)
            if chance.random() < 0.05:
                self.bad += 1
                self._append(topic, customer, b"{oops")
            event_id = f"{customer}/{len(known)}"
            known.append((ts, event_id))
            event: dict[str, Any] = {"event_id": event_id, "customer_id": customer, "ts": ts}
            if INPUTS[topic] == "purchase":
                event |= {"type": "order", "order_id": event_id, "amount": 5, "currency": "GBP"}
            else:
                event["kind"] = "visit"
            self._append(topic, customer, json.dumps(event).encode())

    def _append(self, topic: str, customer: str, value: bytes) -> None:
        tp = TP(topic, HOMES[customer])
        transaction = self.broker.open.get(OPEN)
        record = (customer.encode(), value, ())
        if transaction is None:
            self.broker.append(tp, [record])
        else:
            self.broker.send(OPEN, self.broker.epochs[OPEN], tp, [record])

    def begin_transaction(self) -> None:
        """Have the shop write in a transaction from now on."""
        self.broker.init(OPEN)
        self.broker.send(OPEN, self.broker.epochs[OPEN], TP(next(iter(INPUTS)), 0), [])

    def end_transaction(self) -> None:
        """Commit it."""
        if OPEN in self.broker.open:
            self.broker.end(OPEN, self.broker.epochs[OPEN], "committed")

    def start(self) -> Process:
        """Start a worker; the group gives it its share."""
        process = Process(
            self.world,
            self.broker,
            lambda of: Cache(self, of),
            lambda of: Listener(self, of),
            SilenceEngine,
            f"worker-{len(self.world.loops)}",
            self._loses,
            self._hear,
        )
        self.processes.append(process)
        self.rebalance()
        return process

    def _loses(self) -> bool:
        self.losing = max(0, self.losing - 1)
        return self.losing > 0 and self.world.chance.random() < 0.2

    def _hear(self, process: Process, error: Exception) -> None:
        """Take note of a worker that stopped by itself: a producer's trouble is a reason to.

        One that was thrown out of the group without hearing of it may notice anything first.
        """
        behind = process.generation != self.generation
        if not isinstance(error, DeliveryError if behind else ProducerFailed):
            self.trouble = error
        self.failures.append(error)
        self.crash(process)

    def crash(self, process: Process) -> None:
        """Kill a worker where it stands; the group notices later."""
        self.crashes += 1
        self.processes.remove(process)
        self.world.kill(process.loop)
        self.world.at(1.0 + self.world.chance.random(), self.rebalance)

    def rebalance(self) -> None:
        """Have every worker let go; when all that answer have, share the partitions anew."""
        self.generation += 1
        generation, self.joined = self.generation, []
        for process in self._answering():
            process.revoke(partial(self._join, process, generation))
        self.world.at(RELEASE_S + 1, partial(self._share, generation))

    def _answering(self) -> list[Process]:
        return [process for process in self.processes if not process.loop.paused]

    def _join(self, process: Process, generation: int) -> None:
        if generation != self.generation or self.shared == generation:
            self.world.at(0.1, self.rebalance)  # too late for this round
            return
        self.joined.append(process)
        if set(self._answering()) <= set(self.joined):
            self._share(generation)

    def _share(self, generation: int) -> None:
        if generation != self.generation or self.shared == generation:
            return
        self.shared = generation
        members = [process for process in self.joined if process in self.processes]
        self.world.chance.shuffle(members)
        for index, process in enumerate(members):
            share = {n for n in range(PARTITIONS) if n % len(members) == index}
            process.assign(share, generation)

    def pause(self, process: Process) -> None:
        """Stop a worker as SIGSTOP does; the group gives its partitions to others."""
        process.loop.paused = True
        self.world.at(1.0 + self.world.chance.random(), self.rebalance)

    def resume(self, process: Process) -> None:
        """Let it go on; only later it hears that it was thrown out."""
        if process.loop.paused:
            process.loop.paused = False
            process.loop.wake_due()
            self.world.at(self.world.chance.random() * 2, self.rebalance)

    def run(self, seconds: float = 0.0, steps: int = 1 << 60) -> None:
        """Let everybody work."""
        self.world.run(seconds, steps)
        if self.trouble is not None:
            raise BrokenError(f"a worker stopped: {self.trouble!r}") from self.trouble

    # ---- what must hold

    def heal(self) -> None:
        """End every trouble and wait until all that was due has been told."""
        self.end_transaction()
        self.losing = 0
        for process in list(self.processes):
            process.skew_ms = process.skipping = process.doubling = 0
            self.resume(process)
        end, rounds = self.now_ms() + PATIENCE_MS, 0
        while not self._at_rest(end):
            if not self.processes:
                self.start()
            self.run(seconds=1)
            rounds += 1
            if rounds > 200:
                raise BrokenError(f"it does not come to rest: {self._where()}")

    def _at_rest(self, end: int) -> bool:
        return all(
            clock > end and all(at == len(self.broker.log(tp)) for tp, at in positions.items())
            for clock, positions in map(self._position, range(PARTITIONS))
        )

    def _position(self, number: int) -> tuple[int, dict[TP, int]]:
        records = self.broker.committed(TP(CHANGELOG, number))
        values = [record.value for record in records if record.key == POSITION_KEY]
        if not values or values[-1] is None:
            return NEVER, {TP(topic, number): 0 for topic in INPUTS}
        record = read(values[-1])
        return record.clock, {TP(name, number): at.offset for name, at in record.inputs.items()}

    def _where(self) -> Any:
        logs = {tp: len(log) for tp, log in self.broker.logs.items()}
        return [self._position(number) for number in range(PARTITIONS)], logs, self.failures[-3:]

    def rows(self, number: int) -> dict[str, Row]:
        """Read a partition's committed state."""
        tp = TP(CHANGELOG, number)
        begin, rows = self._read.get(number, (0, {}))
        page = self.broker.fetch(tp, begin, 1 << 60)
        for record in page.records:
            if record.key is not None and not record.key.startswith(b"\xff"):
                rows[record.key.decode()] = Row(*json.loads(record.value or b""))
        self._read[number] = (page.end, rows)
        return rows

    def check(self) -> None:
        """Compare state, changes and dead letters with the facts."""
        told: dict[str, list[Told]] = {name: [] for name in CUSTOMERS}
        letters = 0
        for number in range(PARTITIONS):
            for record in self.broker.committed(TP(CHANGES, number)):
                change = json.loads(record.value or b"")
                essence = [
                    change[name] for name in ("customer_id", "sequence", "to", "at", "cause")
                ]
                told[change["customer_id"]].append(Told(*essence))
            letters += len(self.broker.committed(TP(LETTERS, number)))
            clock, rows = self._position(number)[0], self.rows(number)
            for name in [name for name in CUSTOMERS if HOMES[name] == number]:
                row, changes = expected(name, self.facts[name], clock)
                self.same(rows.get(name, Row())._replace(version=0), row, f"state of {name}")
                self.same(told[name], changes, f"changes of {name}")
        self.same(letters, self.bad, "dead letters")

    @staticmethod
    def same(got: object, wanted: object, what: str) -> None:
        if got != wanted:
            raise BrokenError(f"{what}: expected {wanted}, got {got}")

    def check_clock(self, number: int, clock: int) -> None:
        """Everything before a published clock is in the committed state."""
        rows = self.rows(number)
        for name in [name for name in CUSTOMERS if HOMES[name] == number]:
            facts, row = self.facts[name], rows.get(name, Row())
            before = sum(ts < clock for ts, _ in facts)
            if row.facts < before:
                raise BrokenError(
                    f"clock {clock} published, {name} lacks {before - row.facts} facts"
                )
            wanted = self._told_by(name, row.facts)
            silent = wanted.facts and wanted.last + PATIENCE_MS < clock
            if row.sequence < wanted.sequence + bool(silent):
                raise BrokenError(f"{clock} published, {name} was not told all before")

    def _told_by(self, name: str, count: int) -> Row:
        """Say what the first facts of a customer make by themselves, deadlines after them apart."""
        known = self._wanted.get((name, count))
        if known is None:
            known = expected(name, self.facts[name][:count], NEVER)[0]
            self._wanted[name, count] = known
        return known

    def check_group(self) -> None:
        """Nothing is acknowledged that is not committed."""
        for number in range(PARTITIONS):
            positions = self._position(number)[1]
            for tp, offset in positions.items():
                acknowledged = self.broker.group.get(tp, 0)
                if acknowledged > offset:
                    raise BrokenError(f"{tp} acknowledged to {acknowledged}, committed to {offset}")
