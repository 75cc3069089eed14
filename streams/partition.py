"""Work one owned partition: chunks in, engine calls, effects out.

Responsible for the one task that calls the partition's engine (facts as the lane merges them, ticks
as its clock says), for pausing full topics and for healing holes. Must not know Faust's services,
and must not write to Kafka or Redis itself.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka.errors import IllegalStateError
from faust.types import TP

from schemas.errors import ContinuityBroken, InputReset, Rejected
from segmenters.instants import NEVER
from streams.clock import Reading
from streams.lanes import Letter, Verdict
from streams.position import FORMAT, InputPosition, PositionRecord
from streams.runs import LOG_APPEND_TIME

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from schemas.vocabulary import Instant
    from streams.clock import Clock
    from streams.decode import Decoder
    from streams.delivery.scheduler import Chunk
    from streams.effects import Effects
    from streams.lanes import Lane
    from streams.ports import Changeover, Inlet, Listener, PartitionEngine
    from streams.runs import Run
    from streams.wall import WallClock

PERSIST_S: Final = 10.0
"""Seconds after which a position or clock that moved alone is written, too."""
GATHER_S: Final = 0.005
"""Seconds an idle partition waits for the other topics' part of what has woken it."""
MISSING_S: Final = 5.0
"""Seconds a fetched range may be under way to the lane before it counts as thrown away."""


class Pace(NamedTuple):
    """How much is done at a time."""

    batch_events: int = 10_000
    tick_s: float = 0.2
    tick_limit: int = 500


class Digests(NamedTuple):
    """What the position record names beside positions."""

    rules: str
    layout: str
    topic_ids: Mapping[str, str]


class OwnedPartition:
    """One partition from its takeover to its revocation.

    Parameters
    ----------
    number
        The partition.
    engine
        Its state and judgement; nobody else calls it.
    lane
        Brings its topics into order.
    clock
        Says how complete its facts are.
    decoders
        Topic → decoder.
    inlet
        The consumer.
    pace, digests, listener
        See there.
    started_from
        The position record of before; None for a new partition.
    wall, changeover
        What time it is, and customers who are still under other rules.
    """

    def __init__(
        self,
        number: int,
        engine: PartitionEngine,
        lane: Lane,
        clock: Clock,
        decoders: Mapping[str, Decoder],
        inlet: Inlet,
        pace: Pace,
        digests: Digests,
        listener: Listener,
        started_from: PositionRecord | None,
        wall: WallClock,
        changeover: Changeover | None = None,
    ) -> None:
        self.number = number
        self.engine = engine
        self.lane = lane
        self.reading = Reading(NEVER if started_from is None else started_from.clock)
        self._moved_from = "" if started_from is None else started_from.moved_from
        self.effects: Effects
        self._clock = clock
        self._decoders = decoders
        self._inlet = inlet
        self._pace = pace
        self._digests = digests
        self._listener = listener
        self._wall = wall
        self._changeover = changeover
        self._monotonic = asyncio.get_running_loop().time
        # Nothing is known to be settled before a first tick: the stored clock may have deadlines
        # below it that a crash left unfired.
        self._settled = Reading(NEVER)
        self._applied_since_tick = True
        self._tps = {name: TP(name, number) for name in lane.names}
        self._held: set[str] = set()
        self._missing_since: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._failed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._worker: asyncio.Task[None] | None = None
        self._persisted = (self._describe_now(), self._monotonic())

    # ---- life

    def start(self, effects: Effects) -> None:
        """Begin to work; chunks may arrive before."""
        self.effects = effects
        # Its receipt carries the broker's time, without which the clock stands still.
        effects.touch()
        self._spawn(effects.run())
        self._worker = self._spawn(self._work())

    async def quiesce(self, timeout: float) -> bool:  # noqa: ASYNC109
        """Make no further call of the engine and wait for what is under way to commit.

        Returns
        -------
        bool
            Whether the engine's state is exactly what is committed.
        """
        self._stopping = True
        self._wake.set()
        if self._worker is None:
            return True  # never started: the engine was not called
        try:
            async with asyncio.timeout(timeout):
                await asyncio.wait([self._worker])
                if not self._failed:
                    await self.effects.drained()
        except TimeoutError:
            return False
        finally:
            for task in self._tasks:
                task.cancel()
        return not self._failed

    @property
    def rests(self) -> bool:
        """Whether all that was applied is committed."""
        return self._worker is None or self.effects.idle

    @property
    def waiting(self) -> int:
        """Customers who have to be brought under the rules in force before anything is applied."""
        return 0 if self._changeover is None else self._changeover.waiting

    def nudge(self) -> None:
        """Look again: something was committed."""
        self._wake.set()

    # ---- chunks in (called by the agents; never waits)

    def accept(self, topic: str, chunk: Chunk) -> None:
        """Take a chunk if it continues the lane; otherwise drop it and set things right."""
        lane = self.lane
        if self._stopping:
            return
        behind, before = chunk.begin < lane.fetched(topic), lane.redelivered
        verdict = lane.judge(topic, chunk.begin, chunk.end, chunk.epoch, len(chunk.records))
        if verdict is Verdict.APPEND:
            lane.append(topic, self._decode(topic, chunk))
            if chunk.answer is not None:
                lane.answered(topic, chunk.answer)
            if lane.is_full(topic):
                self._held.add(topic)
                self._inlet.hold(self._tps[topic])
            self._wake.set()
        if lane.redelivered > before:
            self._listener.redelivered(lane.redelivered - before)
        if verdict is Verdict.HOLE or (behind and verdict is not Verdict.STALE):
            self._heal(topic, verdict)

    def _decode(self, topic: str, chunk: Chunk) -> Run:
        last = chunk.records[-1] if chunk.records else None
        if last is not None and last.timestamp_type == LOG_APPEND_TIME:
            self._wall.witness(last.timestamp)
        horizon = self._clock.horizon(self._wall.latest())
        decoder = self._decoders[topic]
        return decoder.decode(chunk.records, chunk.begin, chunk.end, self.number, horizon)

    def _heal(self, topic: str, verdict: Verdict) -> None:
        """Let nothing count that was fetched so far, and seek back to the lane's position."""
        self._listener.broken(self.number, topic, verdict)
        epoch = self._inlet.new_epoch()
        offset = self.lane.restart(topic, epoch)
        self._spawn(self._seek_back(topic, offset, epoch))

    async def _seek_back(self, topic: str, offset: int, epoch: int) -> None:
        tp = self._tps[topic]
        try:
            await self._inlet.seek_to({tp: (offset, epoch)})
            start, end = (await self._inlet.log_range([tp]))[tp]
        except IllegalStateError:
            return  # not assigned any more: whoever takes it starts at the position record
        where = f"{topic}, partition {self.number}"
        if start > offset:
            raise ContinuityBroken(
                f"{where}: expected offset {offset} next, the log starts at {start}: what lies "
                "between was deleted unread; replay it from a backup, or start over with a new "
                "REWAKE_APP"
            )
        if end < offset:
            raise InputReset(
                f"{where}: expected a log up to at least offset {offset}, it ends at {end}; "
                "records were lost or the topic was created again: restore it, or start over"
            )

    # ---- the one task that calls the engine

    async def _change_over(self, changeover: Changeover) -> None:
        """Bring customers under the rules in force, in as many transactions as it takes."""
        started = self._monotonic()
        while changeover.more and not self._stopping:
            if self.effects.has_room:
                judged = changeover.step(self._pace.tick_limit)
                self.effects.add(judged, facts=len(judged.dirty))
                await asyncio.sleep(0)
            else:  # a commit nudges
                await self._pause(self._pace.tick_s)
        if not changeover.more:
            self._listener.changed_over(self.number, changeover, self._monotonic() - started)

    async def _work(self) -> None:
        if self._changeover is not None:
            await self._change_over(self._changeover)
        due, more = 0.0, False
        while not self._stopping:
            busy, roomy = False, self.effects.has_room
            if roomy:
                busy = self._apply_next()
                # The rest of a long tick waits until what it told before is on its way: facts that
                # come meanwhile share the next transaction, which must not take long.
                rest = more and self.effects.untold < self._pace.tick_limit
                if rest or self._monotonic() >= due:
                    more = self._tick()
                    busy = busy or more
                    due = self._monotonic() + self._pace.tick_s
            if busy:
                await asyncio.sleep(0)
                continue
            left = due - self._monotonic()
            await self._pause(left if roomy and left > 0 else self._pace.tick_s)  # a commit nudges
            await asyncio.sleep(GATHER_S)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    def _apply_next(self) -> bool:
        cut = self.lane.cut(min(self._pace.batch_events, self.effects.most))
        if cut is None:
            return False
        started = time.perf_counter()
        judged = self.engine.apply(cut.run.batch(), self.reading.instant)
        letters = cut.letters + [
            Letter(
                self.lane.names[int(cut.topics[index])],
                cut.run.records[index],
                Rejected(reason, detail),
            )
            for index, reason, detail in judged.rejected
        ]
        # No await between the cut, the call and this: a transaction takes all three or none.
        self.effects.add(judged, letters, len(cut.run), _appended(cut.run))
        self._settle_again(cut.run)
        self._applied_since_tick = True
        self._listener.applied(self.lane, cut, judged, time.perf_counter() - started)
        for topic in [topic for topic in self._held if self.lane.has_room(topic)]:
            self._held.discard(topic)
            self._inlet.release(self._tps[topic])
        return True

    def _settle_again(self, run: Run) -> None:
        """Fire what facts of before the settled instant have made due: it has been told already."""
        settled = self._settled
        if len(run) and int(run.ts.min()) < settled.instant:
            judged = self.engine.tick(settled.instant, settled.inclusive, self.engine.customers)
            if len(judged.dirty):
                self.effects.add(judged)

    def _tick(self) -> bool:
        """Fire what is due; return whether more is."""
        self._learn()
        now = self._wall.agreed()
        reading = self._clock.read(self.reading.instant, now, self.lane.completeness())
        if reading == self._settled and not self._applied_since_tick:
            self._rest()
            return False
        self._applied_since_tick = False
        limit = min(self._pace.tick_limit, self.effects.most)
        judged = self.engine.tick(reading.instant, reading.inclusive, limit)
        self.reading = reading
        if not judged.more:
            self._settled = reading
        if len(judged.dirty) or reading.inclusive:
            self.effects.add(judged)
        self._listener.ticked(self.number, reading, judged)
        self._rest()
        return judged.more

    def _learn(self) -> None:
        """Tell the lane of answers without records, and notice ranges that never arrive."""
        now = self._monotonic()
        for topic, tp in self._tps.items():
            answer = self._inlet.idle_answer(tp)
            if answer is not None:
                self.lane.answered(topic, answer)
            if not self.lane.missing(topic) or topic in self._held:
                self._missing_since.pop(topic, None)
            elif now - self._missing_since.setdefault(topic, now) > MISSING_S:
                del self._missing_since[topic]
                self.lane.holes += 1
                self._heal(topic, Verdict.HOLE)

    def _rest(self) -> None:
        """Publish the clock, and have positions that moved alone written now and then."""
        if not self.effects.idle:
            return
        if self._settled.instant > NEVER:
            self._listener.settled(self.number, self._settled.instant)
        before, written = self._persisted
        if self._monotonic() - written > PERSIST_S:
            now = self._describe_now()
            if now != before:
                self.effects.touch()
            self._persisted = (now, self._monotonic())

    # ---- what is known

    def describe(self) -> tuple[PositionRecord, Instant]:
        """Return the position record and the settled instant of all engine calls so far."""
        return self._describe_now(), self._settled.instant

    def _describe_now(self) -> PositionRecord:
        inputs = {
            name: InputPosition(
                at.offset,
                None if at.running_max == NEVER else at.running_max,
                self._digests.topic_ids.get(name, ""),
            )
            for name, at in self.lane.positions().items()
        }
        instant, (rules, layout, _) = self.reading.instant, self._digests
        return PositionRecord(FORMAT, inputs, instant, rules, layout, moved_from=self._moved_from)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it is: stop, acknowledge nothing
            self._stopping = self._failed = True
            self._wake.set()
            self._listener.failed(self.number, error)


def _appended(run: Run) -> Instant | None:
    first = int(run.appended[0]) if len(run) else NEVER
    return None if first == NEVER else first


def ack_positions(record: PositionRecord, number: int) -> dict[TP, int]:
    """Return the group offsets that a committed position record stands for."""
    return {TP(topic, number): at.offset for topic, at in record.inputs.items()}
