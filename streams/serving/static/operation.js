/**
 * Show how far the workers are behind: lag, clocks and lateness.
 */
import { get } from "./api.js";
import { $, fill, h, say, table } from "./dom.js";
import { instant, number, span, t, word } from "./text.js";

let answer = null;
let wrong = null;

/** Ask anew and show; returns the answer, null where it is not known. */
export async function refresh() {
  try {
    answer = await get("v1/lag");
    wrong = null;
  } catch (problem) {
    wrong = problem;
  }
  show();
  return wrong ? null : answer;
}

/** Show again what was answered last. */
export function show() {
  if (wrong) {
    const why = wrong.message || t(wrong.status ? "error.status" : "error.network", { status: wrong.status });
    say($("operation-note"), t("operation.away", { why }));
    if (!answer) fill($("lag"), h("p", { class: "empty" }, t("operation.away", { why })));
    return;
  }
  if (!answer) {
    fill($("lag"), h("p", { class: "empty" }, t("loading")));
    return;
  }
  const { lateness, partitions, clocks } = answer;
  say(
    $("operation-note"),
    lateness?.count
      ? t("operation.note", { p50: span(lateness.p50_ms), p99: span(lateness.p99_ms), count: number(lateness.count) })
      : t("operation.note.none"),
  );
  if (partitions.length === 0) {
    fill($("lag"), h("p", { class: "empty" }, t("operation.empty")));
    return;
  }
  const known = (value, words) => (value === null || value === undefined ? t("unknown") : words(value));
  fill(
    $("lag"),
    table(
      t("operation.caption"),
      ["topic", "partition", "lag", "seconds", "rate", "clock", "status"].map((name) => t(`operation.${name}`)),
      partitions.map((each) => [
        each.topic,
        each.partition,
        known(each.lag, number),
        known(each.seconds, (seconds) => span(seconds * 1_000)),
        known(each.rate, (rate) => number(rate, 1)),
        known(clocks[each.partition], (clock) => instant(clock, true)),
        h("span", { class: `badge ${each.status}` }, word("status", each.status)),
      ]),
      [1, 2, 3, 4],
    ),
  );
}
