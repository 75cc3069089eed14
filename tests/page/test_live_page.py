"""The live page in a real browser, on a shop whose worker and service really run."""

from __future__ import annotations

import re
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.page.conftest import SEEN_MS, until
from tests.streams.workbench import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

    from tests.page.conftest import Shop, Visit

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]
expect.set_options(timeout=SEEN_MS)

SYSTEMS = {
    "value_tier", "lifecycle", "churn_risk", "frequency_tier", "monetary_tier", "aov_tier", "rfm",
}  # fmt: skip


def look_up(page: Page, customer: str) -> None:
    page.get_by_role("textbox", name="Customer id").fill(customer)
    page.keyboard.press("Enter")


def sizes_shown(page: Page) -> dict[str, int]:
    """Read the table of segments: key → customers."""
    rows = page.locator("#segments-table tbody tr").evaluate_all(
        "rows => rows.map(row => [row.querySelector('button').dataset.key,"
        " row.cells[1].textContent])"
    )
    return {segment: int(count.replace(",", "")) for segment, count in rows}


def test_it_loads_without_a_complaint_and_asks_nobody_else(visiting: Callable[..., Visit]) -> None:
    visit = visiting()
    page = visit.open()
    expect(page.locator("#state")).to_have_text("Live")
    expect(page.locator("#lag tbody tr")).to_have_count(8)
    expect(page.locator("#sankey .sankey-link").first).to_be_attached()
    expect(page).to_have_title("Rewake – Lifecycle")
    assert visit.wrong == []


def test_the_sizes_of_every_system_are_those_in_redis(page: Page, shop: Shop) -> None:
    systems = page.locator("#systems input").evaluate_all("all => all.map(each => each.value)")
    assert set(systems) == SYSTEMS
    for system in systems:
        page.locator(f"#systems input[value={system}]").check()
        expect(page.locator("#segments-table caption")).to_contain_text(
            page.locator(f"#systems label:has(input[value={system}])").inner_text()
        )
        # A midnight may pass meanwhile, so both are asked until they agree.
        until(
            lambda system=system: all(
                count == shop.size(system, segment) for segment, count in sizes_shown(page).items()
            ),
            60,
        )
        shown = sizes_shown(page)
        assert sum(shown.values()) >= 60, system
        total = page.locator("#segments-table tfoot td").first.inner_text()
        assert int(total.replace(",", "")) == sum(shown.values())
        assert page.locator("[data-figure=customers]").inner_text() == total


def test_revenue_is_that_of_the_orders(page: Page) -> None:
    cells = page.locator("#segments-table tbody tr td:last-child")
    expect(page.locator("[data-figure=revenue]")).to_contain_text("£")
    parts = [int(re.sub(r"\D", "", text)) for text in cells.all_inner_texts()]
    total = int(re.sub(r"\D", "", page.locator("[data-figure=revenue]").inner_text()))
    assert total > 10_000
    assert abs(sum(parts) - total) <= len(parts), "each is rounded"


def test_an_order_shows_in_feed_sizes_and_chart_without_a_reload(page: Page, shop: Shop) -> None:
    new = page.locator("#segments-table tr", has=page.locator("button[data-key=new]"))
    before = int(new.locator("td").first.inner_text())
    customer = f"newcomer-{time.time_ns()}"
    shop.order(customer)
    first = page.locator("#feed li").first
    expect(first).to_contain_text(customer, timeout=120_000)
    expect(first).to_contain_text("New")
    expect(new.locator("td").first).to_have_text(str(before + 1), timeout=120_000)
    expect(page.locator("#treemap")).to_have_attribute(
        "aria-label", re.compile(f"New {before + 1} ")
    )
    expect(page.locator("[data-figure=changes]")).not_to_have_text("0")
    first.get_by_role("button", name=customer).click()
    expect(page.locator("#card h3")).to_have_text(f"Customer {customer}")


def test_who_listens_is_told_of_changes_politely_and_now_and_then(page: Page, shop: Shop) -> None:
    said = page.locator("#feed-said")
    expect(said).to_have_attribute("aria-live", "polite")
    for number in range(5):
        shop.order(f"heard-{number}-{time.time_ns()}")
    expect(said).to_contain_text("new changes; the newest: customer heard-", timeout=120_000)
    assert page.locator("#feed").get_attribute("aria-live") is None, "each would be read out"


def test_a_paused_feed_stands_still_and_counts(page: Page, shop: Shop) -> None:
    expect(page.locator("#feed li").first).to_be_visible()
    page.get_by_role("button", name="Pause", exact=True).click()
    before = page.locator("#feed").inner_text()
    customer = f"paused-{time.time_ns()}"
    shop.order(customer)
    expect(page.locator("#feed-note")).to_contain_text(
        re.compile(r"Paused; [1-9]"), timeout=120_000
    )
    assert page.locator("#feed").inner_text() == before
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#feed")).to_contain_text(customer)


def test_the_card_says_where_since_when_why_and_what_would_move_them(page: Page) -> None:
    look_up(page, "c-1")
    card = page.locator("#card")
    expect(card.locator("h3")).to_have_text("Customer c-1")
    expect(card.locator(".placements > li")).to_have_count(len(SYSTEMS))
    lifecycle = card.locator(".placements > li", has=page.get_by_role("heading", name="Lifecycle"))
    expect(lifecycle).to_contain_text("Silent")
    expect(lifecycle).to_contain_text("by time alone")
    expect(lifecycle).to_contain_text("the limit is 90 days without an order")
    expect(lifecycle).to_contain_text("Becomes Churned on")
    lifecycle.get_by_text("What would move them").click()
    expect(lifecycle.locator(".ways")).to_contain_text("Reactivated an order")
    expect(card).to_contain_text("as of")


def test_the_card_follows_its_customer(page: Page, shop: Shop) -> None:
    look_up(page, "c-2")
    lifecycle = page.locator(
        "#card .placements > li", has=page.get_by_role("heading", name="Lifecycle")
    )
    expect(lifecycle.locator(".stands")).to_have_text("Silent")
    shop.order("c-2")
    expect(lifecycle.locator(".stands")).to_have_text("Reactivated", timeout=120_000)


def test_somebody_unknown_and_somebody_with_an_odd_id_are_answered(
    visiting: Callable[..., Visit], shop: Shop
) -> None:
    visit = visiting()
    page = visit.open()
    look_up(page, "nobody")
    expect(page.locator("#card")).to_contain_text("No customer nobody is known as of")
    odd = "<b>a/b?c</b> ä"
    shop.order(odd)
    until(lambda: shop.size("lifecycle", "new") > 0, PATIENCE_S)
    expect(page.locator("#feed")).to_contain_text(odd, timeout=120_000)
    look_up(page, odd)
    expect(page.locator("#card h3")).to_have_text(f"Customer {odd}")
    # The browser itself complains of each 404.
    visit.wrong[:] = [each for each in visit.wrong if "404" not in each]


def test_members_of_a_segment_are_listed_and_looked_up(page: Page) -> None:
    page.get_by_role("button", name="Silent").click()
    members = page.locator("#members")
    expect(members.locator("h3")).to_contain_text("Silent")
    expect(members.locator("tbody tr").first).to_be_visible()
    name = members.locator("tbody tr button").first.inner_text()
    members.locator("tbody tr button").first.click()
    expect(page.locator("#card h3")).to_have_text(f"Customer {name}")
    members.get_by_role("button", name="Close").click()
    expect(members).to_be_hidden()
    assert page.evaluate("document.activeElement.dataset.key") == "silent", "focus is not lost"


def test_migration_counts_who_ended_elsewhere(page: Page) -> None:
    page.get_by_label("Period").select_option("year")
    first = page.locator("#matrix tbody tr", has_text="First seen")
    expect(first).to_be_visible()
    until(lambda: sum(numbers(first)) >= 60, PATIENCE_S)  # everybody came within a year
    expect(page.locator("#sankey")).to_have_attribute(
        "aria-label", re.compile("from First seen to")
    )
    page.locator("#span-since").fill("2031-01-01T00:00")
    page.locator("#span-until").fill("2030-01-01T00:00")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#migration-note")).to_have_text("Expected an end after the beginning.")


def numbers(row: Locator) -> list[int]:
    return [int(text.replace(",", "")) for text in row.locator("td").all_inner_texts()]


def test_the_language_switches_and_is_remembered(page: Page) -> None:
    look_up(page, "c-1")
    expect(page.locator("#card .placements")).to_contain_text("days without an order")
    assert page.locator("html").get_attribute("lang") == "en"
    page.get_by_role("button", name="中文").click()
    for _ in range(2):
        assert page.locator("html").get_attribute("lang") == "zh-CN"
        expect(page.get_by_role("heading", level=1)).to_contain_text("客户分群")
        expect(page.locator("#segments-table")).to_contain_text("沉默客户")
        expect(page).to_have_title("Rewake – 生命周期")
        page.reload()
        page.wait_for_selector("#segments-table tbody tr")
    page.get_by_role("textbox", name="客户编号").fill("c-1")
    page.keyboard.press("Enter")
    expect(page.locator("#card .placements")).to_contain_text("未下单")
    left = page.evaluate(
        "[...document.querySelectorAll('[data-t]')].map(each => each.textContent)"
        ".filter(text => /[a-z]{3}/.test(text) && !/read/.test(text))"
    )
    assert left == []
    page.get_by_role("button", name="English").click()
    assert page.locator("html").get_attribute("lang") == "en"


def test_a_browser_in_chinese_is_met_in_chinese(visiting: Callable[..., Visit]) -> None:
    page = visiting(locale="zh-CN").open()
    assert page.locator("html").get_attribute("lang") == "zh-CN"


def test_both_languages_have_the_same_words_with_the_same_fillings(page: Page) -> None:
    words: dict[str, dict[str, str]] = page.evaluate(
        "async () => (await import('/static/words.js')).WORDS"
    )
    assert words["en"].keys() == words["zh"].keys()
    for key, english in words["en"].items():
        chinese = words["zh"][key]
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese)), key


def test_everything_is_reached_and_used_by_keyboard_alone(page: Page) -> None:
    look_up(page, "c-1")
    expect(page.locator("#card .placements details").first).to_be_visible()
    page.get_by_role("button", name="Pause", exact=True).click()
    page.locator(".skip").focus()
    page.keyboard.press("Tab")
    reached, stops = (
        set(),
        page.evaluate(
            "[...document.querySelectorAll('a[href],button,select,input,summary')]"
            ".filter(each => each.checkVisibility() && each.type !== 'radio').length"
        ),
    )
    for _ in range(stops + 20):
        seen = page.evaluate(
            "() => { const at = document.activeElement; const style = getComputedStyle("
            "at.type === 'radio' ? at.nextElementSibling : at);"
            " return [at.tagName, at.id || at.textContent || at.value, style.outlineStyle,"
            " at.getBoundingClientRect().width] }"
        )
        if seen[0] == "BODY":
            break
        assert seen[2] != "none", f"no focus is seen on {seen}"
        assert seen[3] > 0, seen
        reached.add(seen[1])
        page.keyboard.press("Tab")
    assert {"theme", "language", "pause", "feed-system", "lookup-id", "span-since"} <= reached
    assert "What would move them" in reached
    radio = page.locator("#systems input:checked")
    radio.focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_title("Rewake – Churn risk")


def test_the_skip_link_leads_past_the_navigation(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "radio"


def test_dark_and_light_follow_the_system_and_the_switch(visiting: Callable[..., Visit]) -> None:
    page = visiting(color_scheme="dark").open()
    page.wait_for_selector("#sankey .node-label")

    def colours() -> list[str]:
        found: list[str] = page.evaluate(
            "[getComputedStyle(document.body).backgroundColor,"
            " getComputedStyle(document.querySelector('#sankey .node-label')).fill]"
        )
        return found

    dark = colours()
    page.emulate_media(color_scheme="light")
    until(lambda: all(a != b for a, b in zip(colours(), dark, strict=True)), 20)
    light = colours()
    for name, expected in (("Light", light), ("Dark", dark)):
        page.locator("#theme").click()
        expect(page.locator("#theme")).to_have_text(re.compile(name))
        until(lambda expected=expected: colours() == expected, 20)
    page.reload()
    expect(page.locator("#theme")).to_have_text(re.compile("Dark"))
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == dark[0], "the choice is remembered"


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_a_narrow_screen_never_scrolls_sideways(
    visiting: Callable[..., Visit], language: str
) -> None:
    page = visiting(locale=language, viewport={"width": 360, "height": 740}).open()
    page.locator("#lookup-id").fill("c-1")
    page.keyboard.press("Enter")
    expect(page.locator("#card .placements details").first).to_be_visible()
    page.locator("#card details summary").first.click()
    for system in sorted(SYSTEMS):
        page.locator(f"#systems label:has(input[value={system}])").click()
        expect(page.locator("#segments-table tbody tr").first).to_be_visible()
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide == 360, system


# What an audit of accessibility begins with -------------------------------------------------------

_NAMELESS = """() => [
    ...document.querySelectorAll('button,a[href],input,select,summary,[role=img]')]
  .filter(each => each.checkVisibility())
  .filter(each => !(each.textContent.trim() || each.getAttribute('aria-label') || each.title
    || each.labels?.[0]?.textContent.trim()))
  .map(each => each.outerHTML)"""

_CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map(v => (v /= 255) <= 0.04045
    ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
  const behind = element => { const layers = [];
    for (let at = element; at; at = at.parentElement)
      layers.unshift(rgba(getComputedStyle(at).backgroundColor));
    return layers.reduce((below, [r, g, b, a]) => [r, g, b].map((v, i) =>
      (v * a + below[i] * (255 - a)) / 255), [255, 255, 255]); };
  const texts = [...document.querySelectorAll('body *')].filter(each => !each.closest('svg,.hidden')
    && each.checkVisibility() && !['SCRIPT', 'OPTION', 'LEGEND'].includes(each.tagName)
    && !each.classList.contains('skip')
    && [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
  return texts.map(each => { const [a, b] = [light(rgba(getComputedStyle(each).color)),
    light(behind(each))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), each.className, each.textContent.slice(0, 40)]; })
    .filter(([ratio]) => ratio < 4.5);
}"""


def test_every_control_has_a_name_and_every_table_a_caption(page: Page) -> None:
    look_up(page, "c-1")
    expect(page.locator("#card .placements details").first).to_be_visible()
    assert page.evaluate(_NAMELESS) == []
    assert page.locator("table").count() >= 3
    assert page.locator("table:not(:has(> caption))").count() == 0
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("img:not([alt])").count() == 0


def test_landmarks_and_headings_give_the_page_an_order(page: Page) -> None:
    look_up(page, "c-1")
    expect(page.locator("#card .placements details").first).to_be_visible()
    for landmark in ("main", "nav", "body > header", "footer", "[role=search]"):
        assert page.locator(landmark).count() == 1, landmark
    assert page.locator("main section:not([aria-labelledby])").count() == 0
    levels: list[int] = page.locator("h1,h2,h3,h4").evaluate_all(
        "all => all.filter(each => each.checkVisibility()).map(each => Number(each.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids: list[str] = page.locator("[id]").evaluate_all("all => all.map(each => each.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_enough(visiting: Callable[..., Visit], scheme: str) -> None:
    page = visiting(color_scheme=scheme, reduced_motion="reduce").open()
    look_up(page, "c-1")
    expect(page.locator("#card .placements details").first).to_be_visible()
    expect(page.locator("#lag tbody tr")).to_have_count(8)
    assert page.evaluate(_CONTRASTS) == []


def test_nothing_moves_for_who_wants_no_motion(visiting: Callable[..., Visit]) -> None:
    page = visiting(reduced_motion="reduce").open()
    expect(page.locator("#feed li").first).to_be_visible()
    moving: list[Any] = page.evaluate(
        "document.getAnimations({subtree: true}).map(each => each.animationName)"
    )
    assert moving == []


# When something is wrong --------------------------------------------------------------------------


def test_a_service_with_tokens_is_asked_with_one(
    shop: Shop, visiting: Callable[..., Visit]
) -> None:
    address, service = shop.serve(REWAKE_WEB_TOKENS="a-long-enough-token-for-reading:read")
    visit = visiting(address=address)
    page = visit.page
    page.goto(address)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_label("Token", exact=True).fill("wrong")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("The token was not accepted.")
    page.get_by_label("Token", exact=True).fill("a-long-enough-token-for-reading")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    page.wait_for_selector("#segments-table tbody tr")
    expect(page.locator("#feed li").first).to_be_visible()
    look_up(page, "c-1")
    expect(page.locator("#card .placements > li")).to_have_count(len(SYSTEMS))
    expect(page.locator("#card")).to_contain_text("need a token of the scope “explain”")
    assert "a-long-enough" not in page.evaluate("JSON.stringify(localStorage)")
    visit.close(but="status of 40[13]")
    service.terminate()
    service.wait(30)


def test_a_service_that_goes_away_is_noticed_and_found_again(
    shop: Shop, visiting: Callable[..., Visit]
) -> None:
    address, service = shop.serve()
    visit = visiting(address=address)
    page = visit.open()
    service.kill()
    service.wait(30)
    expect(page.locator("#state")).to_have_text("Not connected")
    expect(page.get_by_role("alert").first).to_contain_text("The service does not answer")
    assert sizes_shown(page), "what was known stays"
    _, again = shop.serve(REWAKE_WEB=address.removeprefix("http://").rstrip("/"))
    expect(page.locator("#state")).to_have_text("Live", timeout=120_000)
    expect(page.locator("#trouble")).to_be_hidden()
    customer = f"after-{time.time_ns()}"
    shop.order(customer)
    expect(page.locator("#feed")).to_contain_text(customer, timeout=120_000)
    visit.close(but="ERR_|503")
    again.terminate()
    again.wait(30)


def test_a_cache_that_is_away_is_said_to_be(shop: Shop, visiting: Callable[..., Visit]) -> None:
    address, service = shop.serve(REWAKE_REDIS="redis://127.0.0.1:1/0")
    visit = visiting(address=address)
    visit.page.goto(address)
    expect(visit.page.locator("#trouble")).to_contain_text("Not everything the service needs")
    expect(visit.page.locator("#trouble")).to_contain_text("Redis")
    visit.close(but="503")
    service.terminate()
    service.wait(30)
