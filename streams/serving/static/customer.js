/**
 * Show one customer: where they are, since when, why, and what comes next.
 *
 * Responsible for the lookup and the card. Must not find reasons of its own: a worker explains.
 */
import { customerPath, get } from "./api.js";
import { $, fill, h, say } from "./dom.js";
import { all, segmentMark, segmentName, systemName } from "./systems.js";
import { asOf, instant, label, number, t, word } from "./text.js";

let looked = null;

/** Set the form up. */
export function prepare() {
  $("lookup").addEventListener("submit", (event) => {
    event.preventDefault();
    look($("lookup-id").value.trim());
  });
}

/** Look a customer up and bring the card into view. */
export async function open(id) {
  $("lookup-id").value = id;
  const section = $("customer");
  section.focus({ preventScroll: true });
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  section.scrollIntoView({ behavior: still ? "auto" : "smooth" });
  await look(id);
}

/** Whether it is this customer that is shown. */
export const shows = (id) => looked?.id === id;

/** Look the customer who is shown up again. */
export const again = () => (looked ? look(looked.id) : undefined);

async function look(id) {
  if (!id) return;
  const mine = looked?.id === id ? { ...looked } : { id, profile: null, explanation: null };
  mine.wrong = mine.unexplained = null;
  looked = mine;
  show();
  const path = customerPath(id);
  await Promise.all([
    get(path).then((profile) => (mine.profile = profile), (problem) => (mine.wrong = problem)).then(() => looked === mine && show()),
    get(`${path}/explanation`)
      .then((explanation) => (mine.explanation = explanation), (problem) => (mine.unexplained = problem))
      .then(() => looked === mine && show()),
  ]);
}

/** Show again what was answered last. */
export function show() {
  const card = $("card");
  if (!looked) {
    fill(card, h("p", { class: "empty" }, t("customer.empty")));
    return;
  }
  const { id, profile, wrong } = looked;
  if (wrong) {
    const words = wrong.status === 404
      ? t("customer.unknown", { id, asof: asOf(wrong.body.as_of) })
      : (wrong.message || t("error.network"));
    fill(card, h("p", { class: wrong.status === 404 ? "empty" : "wrong" }, words));
    say($("card-said"), words);
    return;
  }
  if (!profile) {
    fill(card, h("p", { class: "empty" }, t("loading")));
    return;
  }
  say($("card-said"), `${t("customer.heading", { id })}, ${asOf(profile.as_of)}`);
  const open = new Set([...card.querySelectorAll("details[open]")].map((each) => each.dataset.system));
  const systems = all().map(({ system }) => system).filter((system) => profile.segments[system]);
  fill(
    card,
    h(
      "header",
      { class: "who" },
      h("h3", {}, t("customer.heading", { id })),
      h("p", { class: "dim" }, `${asOf(profile.as_of)} · ${t("customer.changes", { count: number(profile.sequence) })}`),
    ),
    profile.stale ? h("p", { class: "note" }, t("customer.stale", { asof: asOf(profile.as_of) })) : null,
    following(profile),
    unexplained(),
    h("ul", { class: "placements" }, systems.map((system) => placement(system, profile, open.has(system)))),
  );
}

function following({ valid_until: until, next }) {
  const pairs = Object.keys(next ?? {});
  if (!until || pairs.length === 0) return null;
  const segment = pairs.map((system) => `${systemName(system)} → ${segmentName(system, next[system].segment)}`).join(", ");
  return h("p", { class: "note calm" }, t("customer.follows", { segment, at: instant(until) }));
}

function unexplained() {
  const { explanation, unexplained: problem } = looked;
  if (problem?.status === 403) return h("p", { class: "note" }, t("customer.scope"));
  if (problem) {
    const why = problem.message || t(problem.status ? "error.status" : "error.network", { status: problem.status });
    return h(
      "p",
      { class: "note" },
      t("customer.unexplained", { why }),
      " ",
      h("button", { type: "button", class: "small", "data-key": "retry", onclick: () => again() }, t("retry")),
    );
  }
  return explanation ? null : h("p", { class: "dim" }, t("customer.explaining"));
}

function placement(system, profile, open) {
  const held = profile.segments[system];
  const why = looked.explanation?.systems.find((each) => each.system === system);
  // Asked a moment apart, the two may differ: the reason is that of the segment it was given for.
  const fits = why?.segment === held.segment;
  const since = fits
    ? t("customer.since", { at: instant(held.since), by: word("by", why.by) })
    : t("customer.since.plain", { at: instant(held.since) });
  return h(
    "li",
    {},
    h("h4", {}, systemName(system)),
    h("p", { class: "stands" }, segmentMark(system, held.segment)),
    h("p", { class: "dim" }, since),
    fits ? reasons(system, why, open) : null,
  );
}

function reasons(system, why, open) {
  const next = why.next
    ? t("customer.becomes", { segment: segmentName(system, why.next.segment), at: instant(why.next.at) })
    : t("customer.stays");
  return [
    h("p", {}, label(why.because)),
    h("p", { class: "next" }, next),
    why.held_back && h("p", { class: "note" }, heldBack(system, why.held_back)),
    h(
      "details",
      { open, "data-system": system },
      h("summary", { "data-key": `ways-${system}` }, t("customer.ways")),
      ways(system, why.neighbours),
    ),
  ];
}

function heldBack(system, { segment, until }) {
  const name = segmentName(system, segment);
  return until === null
    ? t("customer.held.never", { segment: name })
    : t("customer.held", { segment: name, at: instant(until) });
}

function ways(system, neighbours) {
  const reached = neighbours.filter(({ ways }) => ways.length);
  const others = neighbours.filter(({ ways }) => !ways.length).map(({ segment }) => segmentName(system, segment));
  return h(
    "ul",
    { class: "ways" },
    reached.map(({ segment, ways }) =>
      h("li", {}, segmentMark(system, segment), " ", ways.map(({ words }) => label(words)).join(t("customer.or"))),
    ),
    others.length ? h("li", { class: "dim" }, t("customer.none", { segments: others.join(", ") })) : null,
  );
}
