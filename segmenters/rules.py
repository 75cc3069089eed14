"""Read the rules file: the enabled systems, their parameters, and what the engine counts in.

Responsible for decoding, validation with the path of what is wrong, and the digest
``rules_version``. It must not decide about customers.
"""

from __future__ import annotations

import hashlib
import operator
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from schemas.changes import Words
from schemas.errors import RulesError
from schemas.money import Currencies
from schemas.profits import Profits
from schemas.vocabulary import MS_PER_DAY
from segmenters.decoding import convert, only
from segmenters.rfm_map import RfmMap, read_map, write_map
from segmenters.systems import SYSTEMS, Rfm, ValueTier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmenters.system import System

QUALIFYING: Final = (
    "login",
    "app_open",
    "product_view",
    "cart",
    "search",
    "email_click",
    "sms_click",
    "wechat_reply",
    "wechat_read",
    "call_answered",
    "review",
    "support_contact",
)
"""Kinds of engagement that count by default: what a customer does, not what reaches one."""

PLAYS: Final = {
    "lifecycle:silent": Words("沉默客户唤醒", "Wake the silent customer"),
    "lifecycle:churned": Words("挽留策略", "Win back"),
    "lifecycle:new": Words("引导和支持", "Guide and support"),
    "lifecycle:prospect": Words("精准营销、定向推送", "Targeted push"),
    "lifecycle:reactivated": Words("停止唤醒,感谢回归", "Stop waking, thank"),
    "churn_risk:high": Words("优惠套餐或个性化关怀", "Offer package or personal care"),
    "churn_risk:medium": Words("个性化关怀", "Personal care"),
    "value_tier:high": Words("VIP服务、专属折扣", "VIP service, exclusive discount"),
    "value_tier:mid": Words("定期促销、会员积分", "Regular promotions, points"),
    "value_tier:low": Words("精准广告、定向推送", "Targeted ads and push"),
}
"""The plays of the shipped systems; a rules file adds to them and replaces them."""

DEFAULT_PACK: Final[tuple[str, ...]] = (
    "lifecycle",
    "rfm",
    "value_tier",
    "frequency_tier",
    "monetary_tier",
    "aov_tier",
    "churn_risk",
)
"""The systems that run without a rules file; a system added to these changes every such site."""

_PLAY: Final = re.compile(r"([a-z_]+):(?:([A-Za-z_]+)>)?([A-Za-z_]+)")


class EngineRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say what holds for all systems.

    Parameters
    ----------
    base_currency
        ISO 4217 code; all amounts are counted in its minor units.
    business_timezone
        IANA name; decides where a day begins.
    max_lateness_days
        An event later than that becomes a dead letter.
    qualifying_engagements
        The kinds of engagement that count against silence: what a customer does, not what reaches
        one.
    rates
        What one major unit of another currency is worth in the base currency, as a string; an
        amount in a currency without a rate is a dead letter.
    """

    base_currency: str = "GBP"
    business_timezone: str = "UTC"
    max_lateness_days: Annotated[int, msgspec.Meta(ge=0, le=400)] = 400
    qualifying_engagements: tuple[str, ...] = QUALIFYING
    rates: Annotated[dict[str, str], msgspec.Meta(examples=[{"EUR": "0.86"}])] = {}


class Rules:
    r"""Hold the rules in force.

    Attributes
    ----------
    systems
        The enabled systems in evaluation order: value_tier, lifecycle, then by number.
    currencies, timezone, max_lateness_ms, qualifying
        What amounts, days, late facts and engagements are judged by.
    profits
        Works out the profit of orders; None where no system asks for it.
    plays
        ``system:segment`` or ``system:from>to`` -> suggested strategy; further conditions may
        follow, each ``& system:segment``.
    text
        All of it in one canonical text, which `recall` reads; maps stand in it whole.
    version
        Digest of the text; the same rules always have the same version.

    Examples
    --------
    >>> rules = loads('[systems.monetary_tier]\nthresholds = { large = 500, medium = 50 }')
    >>> [system.key for system in rules.systems], rules.timezone
    (['monetary_tier'], 'UTC')
    """

    def __init__(
        self, engine: EngineRules, systems: Mapping[str, System], plays: Mapping[str, Words]
    ) -> None:
        self.engine = engine
        self.systems = _in_order(systems)
        self.currencies = Currencies(engine.base_currency, engine.rates)
        value = systems.get("value_tier")
        margins = value.costing if isinstance(value, ValueTier) else None
        self.profits = None if margins is None else Profits(margins, self.currencies)
        self.timezone = engine.business_timezone
        self.max_lateness_ms = engine.max_lateness_days * MS_PER_DAY
        self.qualifying = frozenset(engine.qualifying_engagements)
        self.plays = dict(plays)
        self._directions = [_direction(key, words) for key, words in self.plays.items()]
        content = {
            "engine": msgspec.to_builtins(engine),
            "systems": {system.key: msgspec.to_builtins(system) for system in self.systems},
            "maps": [read_map(system.map) for system in self.systems if isinstance(system, Rfm)],
            "plays": msgspec.to_builtins(self.plays),
        }
        self.text = msgspec.json.encode(content, order="sorted").decode()

    @property
    def version(self) -> str:
        """Digest of the text."""
        return version_of(self.text)

    def play(
        self, system: str, before: str | None, after: str, standing: Mapping[str, str]
    ) -> Words | None:
        r"""Return the strategy suggested for a change, the most specific one.

        That is the one with most conditions, then one that names what the customer came from, then
        the first in the file.

        Parameters
        ----------
        system, before, after
            The change.
        standing
            System -> segment, of the others, once the change was made.

        Examples
        --------
        >>> plays = '"lifecycle:silent & value_tier:high" = { zh = "专属关怀", en = "Call first" }'
        >>> rules = loads(f"[systems.lifecycle]\n[systems.value_tier]\n[plays]\n{plays}")
        >>> for value in ("high", "low"):
        ...     print(rules.play("lifecycle", "active", "silent", {"value_tier": value}).en)
        Call first
        Wake the silent customer
        """
        fitting = [
            (len(play.given), play.before is not None, -place, play.words)
            for place, play in enumerate(self._directions)
            if play.system == system
            and play.after == after
            and play.before in (None, before)
            and all(standing.get(key) == segment for key, segment in play.given)
        ]
        return max(fitting, key=operator.itemgetter(0, 1, 2))[3] if fitting else None


def version_of(text: str) -> str:
    """Return the version of rules by their canonical text."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _in_order(systems: Mapping[str, System]) -> tuple[System, ...]:
    """Return systems in evaluation order: value_tier, lifecycle, the rest by number.

    One that needs others comes behind them.

    Raises
    ------
    RulesError
        When one that is needed is not enabled, or two need each other.
    """
    first = {"value_tier": 0, "lifecycle": 1}
    waiting = sorted(
        systems.values(), key=lambda each: (first.get(each.key, 2), each.number, each.key)
    )
    ordered: list[System] = []
    while waiting:
        placed = {system.key for system in ordered}
        following = next((each for each in waiting if placed.issuperset(each.needs)), None)
        if following is None:
            system = waiting[0]
            missing = [key for key in system.needs if key not in systems]
            if missing:
                todo = f"needs {missing[0]}; add a table [systems.{missing[0]}]"
                raise RulesError(f"systems.{system.key}", todo)
            stuck = ", ".join(each.key for each in waiting)
            raise RulesError(f"systems.{system.key}", f"waits for itself, by way of {stuck}")
        waiting.remove(following)
        ordered.append(following)
    return tuple(ordered)


class _Direction(NamedTuple):
    """A play, and what it is for."""

    system: str
    before: str | None
    after: str
    given: tuple[tuple[str, str], ...]
    words: Words


def _direction(key: str, words: Words) -> _Direction:
    """Read the key of a play.

    Raises
    ------
    RulesError
        When it is none.
    """
    change, *conditions = (part.strip() for part in key.split("&"))
    matches = [_PLAY.fullmatch(change), *map(_PLAY.fullmatch, conditions)]
    if not all(matches) or any(match and match[2] for match in matches[1:]):
        wanted = "'system:segment' or 'system:from>to', and further '& system:segment'"
        raise RulesError(f"plays.{key}", f"expected {wanted}")
    (system, before, after), *given = (match.groups() for match in matches if match)
    return _Direction(system, before, after, tuple((k, s) for k, _, s in given), words)


def defaults() -> Rules:
    """Return the default pack: what runs without a rules file."""
    systems = {key: SYSTEMS[key]() for key in DEFAULT_PACK}
    return Rules(EngineRules(), systems, PLAYS)


def load(path: str | Path | None) -> Rules:
    """Read a rules file, or return the default pack for None.

    Raises
    ------
    RulesError
        With the path of what is wrong: what was expected, what came.
    """
    if path is None:
        return defaults()
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError("", f"expected a readable rules file, got {path}: {error}") from error
    return loads(text, str(path))


def loads(text: str, source: str = "<text>") -> Rules:
    r"""Read rules from TOML text.

    Raises
    ------
    RulesError
        With the path of what is wrong.

    Examples
    --------
    >>> try:
    ...     loads("[engine]\nbase = 'GBP'", "my.toml")
    ... except RulesError as error:
    ...     print(str(error).partition(" base_currency,")[0])
    my.toml: engine.base: no such key; did you mean base_currency? expected one of
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError("", f"expected TOML, got {source}: {error}") from error
    try:
        return build(table)
    except RulesError as error:
        raise RulesError(source, str(error)) from error


def recall(text: str) -> Rules:
    """Read rules from their canonical text; they have the version they had.

    Raises
    ------
    RulesError
        When this release cannot read them.

    Examples
    --------
    >>> recall(defaults().text).version == defaults().version
    True
    """
    try:
        content = msgspec.json.decode(text)
        tables = content["systems"]
        if "rfm" in tables:
            # A file may be another one by now: the map of then stands in the text.
            segments, cells = content["maps"][0]
            tables["rfm"]["map"] = write_map(RfmMap(tuple(segments), tuple(cells)))
        rules = build({name: content[name] for name in ("engine", "systems", "plays")})
    except (msgspec.DecodeError, LookupError, TypeError, ValueError) as error:
        raise RulesError("", f"expected rules as a worker records them, got {error!r}") from error
    rules.text = text
    return rules


def build(table: Any) -> Rules:
    """Make rules of what stands in a file.

    Raises
    ------
    RulesError
        On the first mistake; `segmenters.mistakes` finds them all.

    Examples
    --------
    >>> build({"systems": {"rfm": {"map": "B"}}}).systems[0].segments[:2]
    ('none', 'champions')
    """
    only(table, ("engine", "systems", "plays"), "")
    engine = convert(table.get("engine", {}), EngineRules, "engine")
    try:
        ZoneInfo(engine.business_timezone)
    except (OSError, ValueError, KeyError) as error:
        wanted = "expected an IANA time zone such as Europe/London"
        got = repr(engine.business_timezone)
        raise RulesError("engine.business_timezone", f"{wanted}, got {got}") from error
    tables = table.get("systems", {})
    only(tables, tuple(SYSTEMS), "systems.")
    if not tables:
        known = ", ".join(SYSTEMS)
        raise RulesError("systems", f"expected a table for each system to enable: {known}")
    systems = {key: _system(key, parameters) for key, parameters in tables.items()}
    return Rules(engine, systems, PLAYS | _plays(table.get("plays", {}), systems))


def _system(key: str, parameters: Any) -> System:
    system: System = convert(parameters, SYSTEMS[key], f"systems.{key}")
    for name, message in system.check():
        raise RulesError(f"systems.{key}.{name}", message)
    return system


def _plays(table: Any, systems: Mapping[str, System]) -> dict[str, Words]:
    if not isinstance(table, dict):
        raise RulesError("plays", f"expected a table, got {table!r}")
    plays: dict[str, Words] = {}
    for key, words in table.items():
        play = _direction(key, convert(words, Words, f"plays.{key}"))
        named = [(play.system, play.before), (play.system, play.after), *play.given]
        for system, segment in named:
            only({system: 0}, tuple(SYSTEMS), f"plays.{key}: ")
            if system in systems and segment is not None:
                only({segment: 0}, systems[system].segments, f"plays.{key}: ")
        plays[key] = play.words
    return plays
