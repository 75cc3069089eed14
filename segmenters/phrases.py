"""Put explanations into words, in 中文 and English.

Responsible for amounts, instants of the business time zone, and short sentences fit to be read to
the customer. It must not decide, and knows no threshold: what it says stands in the data.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from schemas.changes import Words
from schemas.explanations import Cancellation, Engagements, Order, Orders, Refund, Waiting
from schemas.money import exponent
from segmenters.instants import FAR, NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.changes import Scalar
    from schemas.explanations import Act, Explanation, HeldBack, Maker, Neighbour, Placement
    from schemas.vocabulary import Instant, Minor

Language: TypeAlias = Literal["zh", "en"]

_SIGNS: Final = {"GBP": "£", "EUR": "€", "USD": "$", "CNY": "¥", "JPY": "¥"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_MAKERS: Final[dict[Maker, Words]] = {
    "time": Words("因时间推移", "by time alone"),
    "order": Words("因一笔订单", "by an order"),
    "engagement": Words("因一次互动", "by an engagement"),
    "event": Words("因当时的一个事件或规则调整", "by an event or altered rules"),
}


class Phrases:
    """Says amounts, instants, numbers and acts.

    Parameters
    ----------
    currency
        The base currency, in whose minor units amounts are.
    timezone
        The business time zone.

    Examples
    --------
    >>> phrases = Phrases("GBP", "Europe/London")
    >>> phrases.money(123_456), phrases.money(-5), phrases.instant(1_301_187_600_000)
    ('£1,234.56', '-£0.05', '2011-03-27 02:00')
    >>> phrases.act(Order(4710, None)).en, phrases.act(Orders(9, None)).zh
    ('an order of at least £47.10', '再下 9 单')
    """

    def __init__(self, currency: str, timezone: str) -> None:
        self._sign = _SIGNS.get(currency, f"{currency} ")
        self._decimals = exponent(currency)
        self._zone = ZoneInfo(timezone)
        self._says: dict[type[Act], Callable[..., Words]] = {
            Order: self._order,
            Orders: self._orders,
            Refund: self._refund,
            Cancellation: self._cancellation,
            Engagements: self._engagements,
            Waiting: self._waiting,
        }

    def money(self, minor: Minor) -> str:
        """Write an amount in major units."""
        major = Decimal(abs(minor)).scaleb(-self._decimals)
        return f"{'-' if minor < 0 else ''}{self._sign}{major:,f}"

    def minute(self, at: Instant) -> str:
        """Write when something was, as a person says it: to the minute, business time zone."""
        return f"{self._local(at):%Y-%m-%d %H:%M}"

    def instant(self, at: Instant) -> str:
        """Write when something is due, exactly; business time zone."""
        local = self._local(at)
        if local.microsecond:
            return local.isoformat(" ", "milliseconds")[:23]
        return f"{local:%Y-%m-%d %H:%M:%S}" if local.second else f"{local:%Y-%m-%d %H:%M}"

    def _local(self, at: Instant) -> datetime:
        return (_EPOCH + timedelta(milliseconds=at)).astimezone(self._zone)

    # ---- what the rule looked at

    def numbers(self, numbers: Mapping[str, Scalar]) -> Words:
        """Say the numbers a rule looked at, in a sentence.

        A number this file has no words for is told by its name.

        Examples
        --------
        >>> said = Phrases("GBP", "UTC").numbers({"F365": 1, "M365": 95_290, "fading_pct": 30})
        >>> said.en
        '1 order in the last 365 days; £952.90 spent in the last 365 days; fading pct: 30'
        >>> said.zh
        '近 365 天 1 单;近 365 天消费 £952.90;fading pct:30'
        """
        said = [self._number(name, value) for name, value in numbers.items()]
        return Words(";".join(words.zh for words in said), "; ".join(words.en for words in said))

    def _number(self, name: str, value: Scalar) -> Words:
        if isinstance(value, int) and (windowed := re.fullmatch(r"([FMP])(\d+)", name)):
            return self._windowed(windowed[1], windowed[2], value)
        zh, en = _NUMBERS.get(name, (f"{name.replace('_', ' ')}:{{}}", f"{_plain(name)}: {{}}"))
        if name in _INSTANTS and isinstance(value, int):
            if value in (NEVER, FAR):
                return Words(zh.format("从未"), en.format("never"))
            value = self.minute(value)
        return Words(zh.format(value), _singular(en.format(value)))

    def _windowed(self, figure: str, days: str, value: int) -> Words:
        if figure == "F":
            return Words(f"近 {days} 天 {value} 单", f"{_orders(value)} in the last {days} days")
        zh, en = ("消费", "spent") if figure == "M" else ("利润", "of profit")
        amount = self.money(value)
        return Words(f"近 {days} 天{zh} {amount}", f"{amount} {en} in the last {days} days")

    # ---- acts

    def act(self, act: Act) -> Words:
        """Say an act."""
        return self._says[type(act)](act)

    def _order(self, act: Order) -> Words:
        zh, en = self._bounds(act.least or None, act.most)
        return Words("再下一单" + (zh and f",金额{zh}"), f"an order{en and ' of '}{en}")

    def _orders(self, act: Orders) -> Words:
        if act.each is None:
            return Words(f"再下 {act.count} 单", f"{act.count} more orders")
        each = self.money(act.each)
        return Words(f"再下 {act.count} 单,每单 {each}", f"{act.count} orders of {each} each")

    def _refund(self, act: Refund) -> Words:
        zh, en = self._bounds(act.least, act.most)
        return Words(f"退款{zh}", f"a refund of {en}")

    def _bounds(self, least: Minor | None, most: Minor | None) -> tuple[str, str]:
        if least is None:
            if most is None:
                return "", ""
            return f"不超过 {self.money(most)}", f"at most {self.money(most)}"
        low = self.money(least)
        if most is None:
            return f"不少于 {low}", f"at least {low}"
        high = self.money(most)
        if most == least:
            return f" {low}", low
        return f"在 {low} 到 {high} 之间", f"{low} to {high}"

    def _cancellation(self, act: Cancellation) -> Words:
        when = self.minute(act.ordered_at)
        return Words(f"取消 {when} 的订单", f"the order of {when} cancelled")

    @staticmethod
    def _engagements(act: Engagements) -> Words:
        en = "an engagement" if act.count == 1 else f"{act.count} engagements"
        return Words(f"再互动 {act.count} 次", en)

    def _waiting(self, act: Waiting) -> Words:
        until = self.instant(act.until)
        return Words(f"到 {until} 为止没有新动态", f"nothing new until {until}")


_NUMBERS: Final = {
    "n": ("共 {} 单", "{} orders in all"),
    "p": ("最近一单:{}", "last order: {}"),
    "p0": ("第一单:{}", "first order: {}"),
    "e": ("最近一次互动:{}", "last engagement: {}"),
    "silent_days": ("{} 天未下单为沉默期限", "the limit is {} days without an order"),
    "days_without_order": ("已 {} 天未下单", "{} days without an order"),
    "days_without_engagement": ("已 {} 天无互动", "{} days without an engagement"),
    "usual_gap_days": ("通常每 {} 天购买一次", "usually {} days between days with orders"),
    "silence_at": ("无新活动将于 {} 沉默", "silent from {} on if nothing happens"),
    "engagement_fades_until": ("互动减少,持续至 {}", "engagement has faded, until {}"),
    "R": ("最近购买得分 {}", "recency score {}"),
    "F": ("购买频率得分 {}", "frequency score {}"),
    "M": ("消费金额得分 {}", "spend score {}"),
}
"""Words for the numbers of the shipped systems."""

_INSTANTS: Final = frozenset({"p", "p0", "e", "silence_at", "engagement_fades_until"})


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _orders(count: int) -> str:
    return f"{count} order" if count == 1 else f"{count} orders"


def _singular(text: str) -> str:
    """Say one order and one day.

    >>> _singular("the limit is 1 days without an order"), _singular("21 orders in all")
    ('the limit is 1 day without an order', '21 orders in all')
    """
    return re.sub(r"(?<!\d)1 (order|day)s\b", r"1 \1", text)


# ---- the whole of it


def in_words(explanation: Explanation, language: Language) -> list[str]:
    """Say an explanation, one entry a line."""
    phrases = Phrases(explanation.currency, explanation.timezone)
    as_of = phrases.instant(explanation.as_of)
    if language == "zh":
        lines = [f"客户 {explanation.customer_id},截至 {as_of}({explanation.timezone})"]
    else:
        lines = [f"customer {explanation.customer_id}, as of {as_of} ({explanation.timezone})"]
    for placement in explanation.systems:
        lines += ["", *_placement(placement, phrases, language)]
    return lines


def _placement(placement: Placement, phrases: Phrases, language: Language) -> list[str]:
    since, maker = phrases.minute(placement.since), _in(_MAKERS[placement.by], language)
    title, because = _in(placement.title, language), _in(placement.because, language)
    here = _named(placement.labels, placement.segment, language)
    reached = [there for there in placement.neighbours if there.ways]
    beyond = [_in(there.labels, language) for there in placement.neighbours if not there.ways]
    if language == "zh":
        lines = [f"{title}:{here},自 {since} 起,{maker}"]
        missing = f"  一次行动达不到:{'、'.join(beyond)}"
    else:
        lines = [f"{title}: {here}, since {since}, {maker}"]
        missing = f"  by no single act: {', '.join(beyond)}"
    lines += [f"  {because}", f"  {_next(placement, phrases, language)}"]
    if placement.held_back is not None:
        lines.append(f"  {_held_back(placement, placement.held_back, phrases, language)}")
    lines += [f"  → {_neighbour(there, language)}" for there in reached]
    return [*lines, missing] if beyond else lines


def _next(placement: Placement, phrases: Phrases, language: Language) -> str:
    following = placement.next
    if following is None:
        return "若无新动态,将一直如此" if language == "zh" else "stays so if nothing new comes"
    (labels,) = (n.labels for n in placement.neighbours if n.segment == following.segment)
    at, there = phrases.instant(following.at), _named(labels, following.segment, language)
    if language == "zh":
        return f"若无新动态,{at} 变为{there}"
    return f"becomes {there} on {at} if nothing new comes"


def _held_back(placement: Placement, held: HeldBack, phrases: Phrases, language: Language) -> str:
    (labels,) = (n.labels for n in placement.neighbours if n.segment == held.segment)
    there = _named(labels, held.segment, language)
    if held.until is None:
        words = Words(
            f"按规则应为{there},但不再重新进入", f"would be {there} by the rule, not entered again"
        )
    else:
        until = phrases.instant(held.until)
        words = Words(
            f"按规则应为{there},{until} 前暂不变更",
            f"would be {there} by the rule, held back until {until}",
        )
    return _in(words, language)


def _neighbour(there: Neighbour, language: Language) -> str:
    ways = [_in(way.words, language) for way in there.ways]
    named = _named(there.labels, there.segment, language)
    return f"{named}:{';或'.join(ways)}" if language == "zh" else f"{named}: {'; or '.join(ways)}"


def _named(labels: Words, segment: str, language: Language) -> str:
    return f"{labels.zh}({segment})" if language == "zh" else f"{labels.en} ({segment})"


def _in(words: Words, language: Language) -> str:
    return words.zh if language == "zh" else words.en
