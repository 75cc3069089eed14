/**
 * Know the systems and their segments: names, places, colours; and which one is looked at.
 *
 * Responsible for what `GET /v1/systems` says. The choice is remembered.
 */
import { get } from "./api.js";
import { h, fill, $ } from "./dom.js";
import { NEUTRAL, colourAt } from "./look.js";
import { label, liveIn, t } from "./text.js";

const KEY = "rewake.system";
const FIRST_LOOK = "lifecycle";
const NOTHING = "none";
let known = { systems: [], rules_version: "", base_currency: "" };
let chosen = null;

/** Ask which systems there are. */
export async function learn() {
  known = await get("v1/systems");
  liveIn(known.business_timezone ?? "UTC");
  const names = known.systems.map(({ system }) => system);
  const kept = chosen ?? localStorage.getItem(KEY);
  chosen = [kept, FIRST_LOOK].find((name) => names.includes(name)) ?? names[0];
  return known;
}

/** All systems, in the order of the rules. */
export const all = () => known.systems;

/** The system looked at. */
export const current = () => chosen;

/** What the service said of its rules. */
export const rules = () => known;

/** The segments of a system, in their order. */
export const segmentsOf = (system) => known.systems.find((each) => each.system === system)?.segments ?? [];

/** The name of a system. */
export const systemName = (system) =>
  label(known.systems.find((each) => each.system === system)?.title, system);

/** The name of a segment; of what a later rules file calls so, the key. */
export const segmentName = (system, segment) =>
  label(segmentsOf(system).find((each) => each.segment === segment)?.labels, segment);

/** The colour of a segment; no colour for those a system has nothing to say of. */
export const segmentColour = (system, segment) =>
  segment === null || segment === NOTHING
    ? NEUTRAL
    : colourAt(Math.max(0, segmentsOf(system).findIndex((each) => each.segment === segment)));

/** A segment as a word with a dot in its colour. */
export const segmentMark = (system, segment) =>
  h("span", { class: "mark", style: { "--tone": segmentColour(system, segment) } }, segmentName(system, segment));

/** Show the choice; `changed` is called when another one is made. */
export function choose(changed) {
  fill(
    $("systems"),
    known.systems.map(({ system }) =>
      h(
        "label",
        {},
        h("input", {
          type: "radio",
          name: "system",
          value: system,
          checked: system === chosen,
          "data-key": system,
          onchange: () => {
            chosen = system;
            localStorage.setItem(KEY, system);
            changed();
          },
        }),
        h("span", {}, systemName(system)),
      ),
    ),
  );
  document.title = t("title", { system: systemName(chosen) });
}
