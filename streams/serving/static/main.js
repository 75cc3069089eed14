/**
 * Bring the page to life: learn what there is, keep it fresh, say how it stands.
 *
 * Responsible for when something is asked and for the state of the whole. Each section shows
 * itself.
 */
import { get, keepToken, onUnauthorized } from "./api.js";
import * as customer from "./customer.js";
import { $, calmly, fill, h, say, scrollable } from "./dom.js";
import * as feed from "./feed.js";
import { dress } from "./look.js";
import * as migration from "./migration.js";
import * as operation from "./operation.js";
import * as segments from "./segments.js";
import * as systems from "./systems.js";
import { asOf, lang, money, number, span, speak, t, timezone } from "./text.js";

const AFTER_CHANGES_MS = 1_200;
const MIGRATION_MS = 4_000;
const LOOK_MS = 5_000;
const HISTORY_MS = 3_600_000;

const state = { stream: "connecting", answered: null, counts: null, lag: null, notReady: "" };
let dressAgain = () => {};

/** Ask for a token in a dialogue, which cannot be left without one. */
function askForToken(refused) {
  const dialog = $("ask");
  say($("ask-wrong"), refused ? t("trouble.token") : "");
  return new Promise((resolve) => {
    dialog.onclose = () => {
      const token = $("ask-token").value.trim();
      $("ask-token").value = "";
      // Closed by Escape there is none: without one nothing can be shown, so ask again.
      if (dialog.returnValue !== "given" || !token) dialog.showModal();
      else resolve(keepToken(token));
      dialog.returnValue = "";
    };
    dialog.showModal();
  });
}

/** Ask; note whether the service answers at all. */
async function asking(call) {
  try {
    const answer = await call();
    state.answered = true;
    return answer;
  } catch (problem) {
    if (problem.status === undefined) throw problem;
    state.answered = problem.status !== 0;
    return null;
  } finally {
    showState();
  }
}

async function lookAtSegments() {
  const counts = await asking(segments.refresh);
  if (!counts) return;
  state.counts = counts;
  migration.at(counts.as_of);
  showFigures();
}

async function lookAtOperation() {
  state.lag = await asking(operation.refresh);
  // Not ready is an answer, too; that nothing answers at all has been noted above.
  const { reasons = [], warnings = [], stale } = await get("readyz").catch((problem) => problem.body);
  state.notReady = [...reasons, ...(stale ? [] : warnings)].join("; ");
  showFigures();
  showState();
}

function showState() {
  const { answered, stream, counts } = state;
  const offline = answered === false;
  const stale = counts?.stale ?? false;
  const past = counts?.as_of != null && Date.now() - counts.as_of > HISTORY_MS;
  let how = "live";
  if (offline) how = "offline";
  else if (answered === null) how = "connecting";
  else if (stale) how = "stale";
  else if (stream === "reconnecting") how = "reconnecting";
  else if (past) how = "history";
  $("state").className = `pill ${how}`;
  say($("state"), t(`state.${how}`));
  say($("asof"), counts ? asOf(counts.as_of) : "");
  showTrouble(offline, stale, counts);
}

function showTrouble(offline, stale, counts) {
  let words = "";
  if (offline) words = t("trouble.offline");
  else if (state.notReady) words = t("trouble.ready", { why: state.notReady });
  else if (stale && counts.as_of == null) words = t("trouble.stale.none");
  else if (stale) words = t("trouble.stale", { asof: asOf(counts.as_of) });
  $("trouble").hidden = words === "";
  say($("trouble"), words);
}

function showFigures() {
  const { counts, lag } = state;
  const rows = counts?.systems[systems.current()] ?? [];
  const revenue = segments.revenueOf(rows);
  const lags = lag?.partitions.map((each) => each.lag).filter((each) => each != null) ?? [];
  const figures = [
    ["customers", counts ? number(rows.reduce((sum, row) => sum + row.customers, 0)) : null, null],
    ["revenue", revenue === null ? null : money(revenue, counts.currency), true],
    ["changes", number(feed.count()), true],
    ["lateness", lag?.lateness?.count ? span(lag.lateness.p99_ms) : null, true],
    ["lag", lags.length ? number(lags.reduce((sum, each) => sum + each, 0)) : null, true],
  ];
  fill(
    $("figures"),
    figures.map(([name, value, hint]) =>
      h(
        "div",
        {},
        h("dt", {}, t(`figure.${name}`)),
        h("dd", { "data-figure": name }, value ?? t("unknown")),
        hint && h("dd", { class: "dim" }, t(`figure.${name}.hint`)),
      ),
    ),
  );
}

/** Put every word of the page into the reader's language, and draw all again. */
function translate() {
  document.documentElement.lang = lang() === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-t]")) say(element, t(element.dataset.t));
  for (const element of document.querySelectorAll("[data-t-label]"))
    element.setAttribute("aria-label", t(element.dataset.tLabel));
  say($("language"), t("language.other"));
  $("language").lang = lang() === "zh" ? "en" : "zh-CN";
  dressAgain();
  if (systems.current() !== null) {
    systems.choose(changeSystem);
    feed.translate();
    migration.translate();
    say($("foot"), t("foot", { version: systems.rules().rules_version.slice(0, 12), zone: timezone() }));
  }
  drawAgain();
}

function drawAgain() {
  segments.show();
  migration.show();
  customer.show();
  operation.show();
  showFigures();
  showState();
}

function changeSystem() {
  systems.choose(changeSystem);
  if (feed.follows()) feed.turnTo(systems.current());
  segments.show();
  showFigures();
  migration.ask();
}

async function begin() {
  dressAgain = dress($("theme"), drawAgain);
  $("language").addEventListener("click", () => {
    speak(lang() === "zh" ? "en" : "zh");
    translate();
  });
  onUnauthorized(askForToken);
  scrollable($("segments-table"), "segments-h");
  scrollable($("matrix"), "migration-h");
  scrollable($("lag"), "operation-h");
  translate();
  migration.prepare();
  customer.prepare();
  segments.onCustomer(customer.open);
  const soon = calmly(lookAtSegments, AFTER_CHANGES_MS);
  const later = calmly(migration.ask, MIGRATION_MS);
  const card = calmly(customer.again, AFTER_CHANGES_MS);
  feed.prepare({
    customer: customer.open,
    changed: (change) => {
      soon();
      later();
      if (customer.shows(change.customer_id)) card();
    },
    state: (how) => {
      state.stream = how === "open" ? "open" : "reconnecting";
      showState();
    },
  });
  while (!(await asking(systems.learn))) await new Promise((resolve) => setTimeout(resolve, 2_000));
  translate();
  feed.turnTo(systems.current());
  await Promise.all([lookAtSegments(), lookAtOperation()]);
  await migration.ask();
  setInterval(() => {
    if (document.hidden) return;
    lookAtOperation();
    lookAtSegments();
    migration.retry();
  }, LOOK_MS);
}

begin();
