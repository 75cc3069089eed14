/**
 * Show changes as they happen.
 *
 * Responsible for the stream, what is chosen of it, and for not being louder than a reader can
 * bear: the list is drawn a few times a second at most, held while it is read, and those who
 * listen are told a summary now and then.
 */
import { follow } from "./api.js";
import { $, choices, h, say } from "./dom.js";
import { all, current, segmentMark, segmentName, systemName } from "./systems.js";
import { instant, label, number, t, word } from "./text.js";

const KEPT = 60;
const BACKLOG = 30;
const BACKLOG_MS = 700;
const DRAW_MS = 300;
const SAY_MS = 15_000;
const MINUTE = 60_000;
const CAUSES = ["event", "clock", "rules", "correction", "erasure"];

let chosenSystem = "";
let cause = "";
let controller = null;
let paused = false;
let held = false;
let heard = 0;
let fresh = [];
let unsaid = 0;
let shown = [];
let newest = null;
const times = [];

let tell = { changed: () => {}, state: () => {}, customer: () => {} };

/** Set the section up: `changed` is called after changes, `state` with the stream's, `customer` with an id. */
export function prepare(calls) {
  tell = calls;
  $("feed-system").addEventListener("change", (event) => {
    chosenSystem = event.target.value;
    restart();
  });
  $("feed-cause").addEventListener("change", (event) => {
    cause = event.target.value;
    restart();
  });
  $("pause").addEventListener("click", () => {
    paused = !paused;
    translate();
    draw();
  });
  const hold = (value) => () => {
    held = value;
    draw();
  };
  $("feed").addEventListener("mouseenter", hold(true));
  $("feed").addEventListener("mouseleave", hold(false));
  $("feed").addEventListener("focusin", hold(true));
  $("feed").addEventListener("focusout", (event) => {
    if (!$("feed").contains(event.relatedTarget)) hold(false)();
  });
  setInterval(draw, DRAW_MS);
  setInterval(announce, SAY_MS);
}

/** How many changes were heard since the page was opened. */
export const count = () => heard;

/** Show the section's words in the reader's language. */
export function translate() {
  choices($("feed-system"), [["", t("changes.all")], ...all().map(({ system }) => [system, systemName(system)])], chosenSystem);
  choices($("feed-cause"), [["", t("changes.any")], ...CAUSES.map((each) => [each, word("cause", each)])], cause);
  say($("pause"), t(paused ? "changes.resume" : "changes.pause"));
  $("pause").setAttribute("aria-pressed", String(paused));
  $("feed").replaceChildren(...shown.map(item));
  note();
}

/** Listen to the system that is looked at from now on. */
export function turnTo(system) {
  chosenSystem = system;
  $("feed-system").value = system;
  restart();
}

/** Follow the stream from here, beginning with the last changes there were. */
export function restart() {
  controller?.abort();
  controller = new AbortController();
  fresh = [];
  shown = [];
  unsaid = 0;
  $("feed").replaceChildren();
  note();
  const { signal } = controller;
  // What had happened before comes at once when the stream opens: it is shown, not counted.
  let countedFrom = null;
  follow(
    { system: chosenSystem, cause, backlog: BACKLOG },
    {
      signal,
      state: (how) => {
        if (how === "open") countedFrom ??= performance.now() + BACKLOG_MS;
        tell.state(how);
      },
      change: (change) => {
        fresh.push(change);
        if (fresh.length > KEPT) fresh.shift();
        newest = change;
        if (performance.now() > countedFrom) {
          heard += 1;
          unsaid += 1;
          times.push(performance.now());
        }
        tell.changed(change);
      },
    },
  );
}

function draw() {
  note();
  if (paused || held || fresh.length === 0) return;
  const list = $("feed");
  const taken = fresh.splice(0).reverse();
  shown = [...taken, ...shown].slice(0, KEPT);
  list.prepend(...taken.map(item));
  while (list.children.length > KEPT) list.lastElementChild.remove();
}

function note() {
  const now = performance.now();
  while (times.length && times[0] < now - MINUTE) times.shift();
  let words = shown.length || fresh.length ? t("changes.rate", { count: number(times.length) }) : t("changes.waiting");
  if (paused) words = t("changes.paused", { count: number(fresh.length) });
  else if (held && fresh.length) words = t("changes.held", { count: number(fresh.length) });
  say($("feed-note"), words);
}

function announce() {
  if (paused || unsaid === 0 || document.hidden) return;
  const { system, from, to, customer_id: customer } = newest;
  const first = from === null ? t("changes.first") : segmentName(system, from);
  say(
    $("feed-said"),
    t("changes.said", { count: number(unsaid), customer, from: first, to: segmentName(system, to) }),
  );
  unsaid = 0;
}

function item(change) {
  const { system, from, to, customer_id: customer, play } = change;
  const before = from === null ? h("span", { class: "dim" }, t("changes.first")) : segmentMark(system, from);
  return h(
    "li",
    {},
    h(
      "p",
      { class: "move" },
      before,
      h("span", { class: "arrow", "aria-hidden": "true" }, "→"),
      h("span", { class: "hidden" }, ` ${t("changes.to")} `),
      segmentMark(system, to),
    ),
    h(
      "p",
      { class: "dim" },
      h(
        "button",
        {
          type: "button",
          class: "link",
          title: t("changes.look", { customer }),
          onclick: () => tell.customer(customer),
        },
        customer,
      ),
      ` · ${chosenSystem ? "" : `${systemName(system)} · `}${word("cause", change.cause)} · ${instant(change.at)}`,
    ),
    play && h("p", { class: "play" }, label(play)),
  );
}

/** The system of the feed follows the one looked at unless all are shown. */
export const follows = () => chosenSystem !== "" || current() === null;
