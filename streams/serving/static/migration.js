/**
 * Show who moved from which segment to which between two instants.
 *
 * Responsible for the period, the Sankey diagram and the plain matrix.
 */
import { get } from "./api.js";
import { sankey } from "./charts.js";
import { $, choices, fill, h, say, table } from "./dom.js";
import { current, segmentColour, segmentMark, segmentName, segmentsOf, systemName } from "./systems.js";
import { fromInput, instant, number, t, toInput } from "./text.js";

const HOUR = 3_600_000;
const PRESETS = [
  ["hour", HOUR], ["day", 24 * HOUR], ["week", 7 * 24 * HOUR],
  ["month", 30 * 24 * HOUR], ["quarter", 90 * 24 * HOUR], ["year", 365 * 24 * HOUR],
];
const OWN = "own";

let clock = null;
let preset = "month";
let asked = null;
let answer = null;
let wrong = "";
let failed = false;

/** Set the form up. */
export function prepare() {
  $("span-preset").addEventListener("change", (event) => {
    preset = event.target.value;
    if (preset !== OWN) ask();
  });
  for (const id of ["span-since", "span-until"])
    $(id).addEventListener("input", () => {
      preset = OWN;
      $("span-preset").value = OWN;
    });
  $("span").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
}

/** Take the clock of the answers; the presets count back from it. */
export function at(asOf) {
  clock = asOf;
}

/** Show the form in the reader's language. */
export function translate() {
  choices(
    $("span-preset"),
    [...PRESETS.map(([name]) => [name, t(`migration.last.${name}`)]), [OWN, t("migration.own")]],
    preset,
  );
  show();
}

/** Ask for the present period, which moves on with the clock unless the reader chose its ends. */
export async function ask() {
  const period = chosen();
  if (period === null) return;
  const [since, until] = period;
  wrong = since < until ? "" : t("migration.order");
  if (wrong) {
    show();
    return;
  }
  const mine = (asked = Symbol("asked"));
  try {
    const told = await get("v1/migrations", { system: current(), since, until });
    if (asked === mine) [answer, failed] = [told, false];
  } catch (problem) {
    if (asked === mine) [wrong, failed] = [problem.message || t("error.network"), true];
  }
  if (asked === mine) show();
}

/** Ask again where it went wrong the last time. */
export const retry = () => (failed ? ask() : undefined);

function chosen() {
  if (preset === OWN) {
    const ends = [fromInput($("span-since").value), fromInput($("span-until").value)];
    return ends.some(Number.isNaN) ? null : ends;
  }
  if (clock === null) return null;
  const [, length] = PRESETS.find(([name]) => name === preset);
  $("span-since").value = toInput(clock - length);
  $("span-until").value = toInput(clock);
  return [clock - length, clock];
}

/** Show again what was answered last. */
export function show() {
  if (wrong) {
    say($("migration-note"), wrong);
    return;
  }
  const system = current();
  const told = answer?.systems[system];
  if (!told) {
    say($("migration-note"), t("loading"));
    return;
  }
  const moves = told.moves.filter((move) => move.customers > 0);
  const whole = moves.reduce((sum, move) => sum + (move.from === null ? 0 : move.customers), 0);
  const partial = answer.complete ? "" : ` · ${t("migration.partial", { since: instant(answer.held_since) })}`;
  say($("migration-note"), t("migration.note", { count: number(whole) }) + (answer.held_since ? partial : ""));
  drawMatrix(system, moves, told.stayed);
  drawChart(system, moves).catch(() => ($("sankey").hidden = true));
}

const named = (system, segment) => (segment === null ? t("migration.first") : segmentName(system, segment));

async function drawChart(system, moves) {
  const order = segmentsOf(system).map(({ segment }) => segment);
  const place = (segment) => order.indexOf(segment);
  const sorted = [...moves].sort((a, b) => place(a.from) - place(b.from) || place(a.to) - place(b.to));
  const described = sorted
    .map((move) =>
      t("migration.move", {
        count: number(move.customers), from: named(system, move.from), to: named(system, move.to),
      }),
    )
    .join(", ");
  $("sankey").hidden = moves.length === 0;
  if (moves.length === 0) return;
  await sankey(
    $("sankey"),
    sorted.map((move) => ({
      from: named(system, move.from),
      to: named(system, move.to),
      fromColour: segmentColour(system, move.from),
      toColour: segmentColour(system, move.to),
      size: move.customers,
      text: t("migration.move", {
        count: number(move.customers), from: named(system, move.from), to: named(system, move.to),
      }),
    })),
    t("migration.chart", { system: systemName(system), what: described || t("migration.nobody") }),
  );
}

function drawMatrix(system, moves, stayed) {
  if (moves.length === 0) {
    fill($("matrix"), h("p", { class: "empty" }, t("migration.empty")));
    return;
  }
  const segments = segmentsOf(system).map(({ segment }) => segment);
  const touched = (segment) => moves.some((move) => move.from === segment || move.to === segment);
  const rows = [...(touched(null) ? [null] : []), ...segments.filter(touched)];
  const columns = segments.filter(touched);
  const most = Math.max(...moves.map((move) => move.customers));
  const cell = (from, to) => {
    if (from === to && from !== null) {
      const count = typeof stayed === "object" ? stayed?.[from] : undefined;
      return h("span", { class: "dim", title: t("migration.stayed") }, count === undefined ? "·" : number(count));
    }
    const count = moves.find((move) => move.from === from && move.to === to)?.customers ?? 0;
    return count
      ? h("span", { class: "heat", style: { "--heat": String(Math.sqrt(count / most)) } }, number(count))
      : h("span", { class: "dim" }, "0");
  };
  const caption = t("migration.caption", {
    system: systemName(system), since: instant(answer.since), until: instant(answer.until),
  });
  fill(
    $("matrix"),
    table(
      caption,
      [`${t("migration.from")} ↓  ${t("migration.to")} →`, ...columns.map((segment) => segmentName(system, segment))],
      rows.map((from) => [
        from === null ? t("migration.first") : segmentMark(system, from),
        ...columns.map((to) => cell(from, to)),
      ]),
      columns.map((_, place) => place + 1),
    ),
  );
}
