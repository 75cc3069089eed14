"""Say what is told when the rules change under customers whose past was judged by others.

Responsible for that one instant: what was due before it happens under the old rules, then every
system that judges by other parameters than before, or did not judge before, judges plainly. Systems
whose own parameters stand go on as if nothing had happened.

>>> day = 86_400_000
>>> ada = Customer(Rules({"lifecycle": {}}, "UTC"), "ada")
>>> ada.apply(Fact("ada", 0, 0, 100))
>>> rules = Rules({"lifecycle": {"silent_purchase_days": 40}, "rfm": {}}, "UTC")
>>> for change in change_rules(ada, rules, 45 * day):
...     print(change["system"], change["from"], change["to"], change["at"] // day, change["cause"])
lifecycle new active 30 clock
lifecycle active silent 45 rules
rfm None promising 45 rules
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from segmenters.oracle.book import Forget, Turn, read_entries
from segmenters.oracle.customer import Customer, Fact, Rules
from segmenters.oracle.late import settled
from segmenters.oracle.systems import Life

if TYPE_CHECKING:
    from segmenters.oracle.customer import Change

__all__ = ["Customer", "Fact", "Rules", "change_rules"]


def change_rules(customer: Customer, rules: Rules, clock: int) -> list[Change]:
    """Put a customer under other rules at the clock; give what that tells.

    One who was judged beyond the clock is judged there.
    """
    count = len(customer.changes)
    customer.settle(clock)
    before, customer.rules = customer.rules, rules
    for system in set(before.enabled) - set(rules.enabled):
        customer.told.pop(system, None)
        customer.latest.pop(system, None)
        customer.stays.pop(system, None)
    changed = altered(before, rules)
    reread(customer, before, changed, clock)
    if customer.judged:
        at = max(clock, settled(customer))
        judged = judge_plainly(customer, [s for s in changed if s == "value_tier"], at)
        if "lifecycle" in changed:
            customer.fix_value(at)
            customer.book.value = judged.get("value_tier", customer.book.value)
            renew_life(customer, "lifecycle" in before.enabled, at)
        customer.tell(at, "rules", judge_plainly(customer, changed, at))
        for system in set(changed) & set(customer.stays):
            stay = customer.stays[system]
            stay.left, stay.held_back = {}, None
        customer.judged_at = at - 1  # what falls due at this very instant is left to come
    for system in rules.enabled:
        change = customer.latest.get(system)
        if change and change["from"] not in (None, *rules.system(system).names):
            del customer.latest[system]  # it came from a segment that nobody can name any more
    return customer.changes[count:]


def altered(before: Rules, rules: Rules) -> list[str]:
    """List the systems that judge otherwise than before, or look at one that does."""
    changed: list[str] = []
    for system in rules.enabled:
        looks_at = {"churn_risk": ["lifecycle"]}.get(system, [])
        if system == "lifecycle" and rules.lifecycle.by_value:
            looks_at = ["value_tier"]
        if judges_otherwise(system, before, rules) or set(looks_at) & set(changed):
            changed.append(system)
    return changed


def reread(customer: Customer, before: Rules, changed: list[str], clock: int) -> None:
    """Read the facts anew as these rules remember them."""
    rules, old = customer.rules, customer.book
    if "lifecycle" in changed:
        paced = "lifecycle" in before.enabled and before.lifecycle.cadence is not None
        customer.entries.append(Turn(paced))
    risk_is_new = "churn_risk" in rules.enabled and "churn_risk" not in before.enabled
    customer.entries.append(
        Forget(
            profit=rules.reads_profit and not before.reads_profit,
            engagements=risk_is_new,
        )
    )
    book = customer.book = read_entries(customer.entries)
    book.value, book.gap = old.value, old.gap
    if risk_is_new and customer.facts:
        book.gap = book.usual_gap(rules.calendar.day(max(clock, settled(customer))))


def judges_otherwise(system: str, before: Rules, rules: Rules) -> bool:
    """Tell whether a system has other parameters than before, or is new."""
    if system not in before.enabled:
        return True
    if before.damping.get(system) != rules.damping.get(system):
        return True
    return bool(vars(before.system(system)) != vars(rules.system(system)))


def renew_life(customer: Customer, lived: bool, at: int) -> None:
    """Take the path on from what these rules make of what is remembered."""
    life = customer.life if lived and customer.life is not None else Life("", at)
    now = customer.rules.lifecycle.plain(life, customer.book, at, len(customer.facts))
    customer.life = now if now.segment == life.segment else replace(now, since=at, cause="rules")


def judge_plainly(customer: Customer, systems: list[str], at: int) -> dict[str, str]:
    """Judge systems as if nothing had been told yet."""
    told = dict(customer.told)
    for system in systems:
        customer.told.pop(system, None)
    judged = {system: customer.segment(system, at) for system in systems}
    customer.told = told
    return judged
