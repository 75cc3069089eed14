/**
 * Show how many customers each segment has, their share and their revenue, and who came last.
 *
 * Responsible for the treemap, its table, and the list of members below. Must not ask by itself
 * when to look again: `main.js` says so.
 */
import { get } from "./api.js";
import { treemap } from "./charts.js";
import { $, fill, h, say, table } from "./dom.js";
import { current, segmentColour, segmentMark, segmentName, systemName } from "./systems.js";
import { instant, money, number, percent, t } from "./text.js";

const PAGE = 20;
let answer = null;
let members = null;
let chooseCustomer = () => {};

/** Take what is called with the id of a customer chosen from a segment. */
export function onCustomer(call) {
  chooseCustomer = call;
}

/** Ask anew and show; returns the answer, for what else is drawn of it. */
export async function refresh() {
  answer = await get("v1/segments");
  show();
  return answer;
}

/** Show again what was answered last: another language, other looks, another system. */
export function show() {
  if (!answer) return;
  const system = current();
  const rows = answer.systems[system] ?? [];
  const whole = rows.reduce((sum, row) => sum + row.customers, 0);
  const name = systemName(system);
  say($("segments-note"), t("segments.note", { count: number(whole), system: name }));
  drawTable(system, rows, whole);
  drawChart(system, rows, whole).catch(() => ($("treemap").hidden = true));
  if (members && members.system !== system) close();
  else showMembers();
}

/** Revenue of a system's customers; null where the service knows none. */
export function revenueOf(rows) {
  const told = rows.filter((row) => row.revenue !== null);
  return told.length ? told.reduce((sum, row) => sum + Number(row.revenue), 0) : null;
}

function drawTable(system, rows, whole) {
  if (whole === 0) {
    fill($("segments-table"), h("p", { class: "empty" }, t("segments.empty")));
    return;
  }
  const revenue = (value) => (value === null ? t("unknown") : money(value, answer.currency));
  const open = (row) =>
    h(
      "button",
      {
        type: "button",
        class: "link",
        "data-key": row.segment,
        "aria-expanded": String(members?.segment === row.segment),
        title: t("members.show", { segment: segmentName(system, row.segment) }),
        onclick: () => look(system, row.segment),
      },
      segmentMark(system, row.segment),
    );
  const share = (row) =>
    h(
      "span",
      { class: "share", style: { "--share": String(row.share ?? 0), "--tone": segmentColour(system, row.segment) } },
      percent(row.share ?? 0),
    );
  fill(
    $("segments-table"),
    table(
      t("segments.caption", { system: systemName(system) }),
      [t("segments.segment"), t("segments.customers"), t("segments.share"), t("segments.revenue")],
      rows.map((row) => [open(row), number(row.customers), share(row), revenue(row.revenue)]),
      [1, 2, 3],
      [t("segments.total"), number(whole), percent(1), revenue(revenueOf(rows))],
    ),
  );
}

async function drawChart(system, rows, whole) {
  $("treemap").hidden = whole === 0;
  if (whole === 0) return;
  const pieces = rows.map((row) => ({
    key: row.segment,
    name: segmentName(system, row.segment),
    size: row.customers,
    text: `${number(row.customers)} · ${percent(row.share ?? 0)}`,
    colour: segmentColour(system, row.segment),
  }));
  const what = pieces.filter((piece) => piece.size).map((piece) => `${piece.name} ${piece.text}`).join(", ");
  const described = t("segments.chart", { system: systemName(system), what });
  await treemap($("treemap"), pieces, described, (segment) => look(system, segment));
}

async function look(system, segment) {
  if (members?.segment === segment && members.system === system) {
    close();
    return;
  }
  members = { system, segment, customers: [], cursor: null, done: false };
  await more();
  if (members) $("members").querySelector("h3")?.focus();
  show();
}

async function more() {
  const mine = members;
  const path = `v1/segments/${encodeURIComponent(mine.system)}/${encodeURIComponent(mine.segment)}/customers`;
  try {
    const page = await get(path, { limit: PAGE, cursor: mine.cursor });
    mine.customers.push(...page.customers);
    mine.cursor = page.next_cursor;
    mine.done = page.next_cursor === null;
    mine.wrong = null;
  } catch (problem) {
    mine.wrong = problem.message || t("error.network");
  }
  showMembers();
}

function close() {
  members = null;
  showMembers();
}

function showMembers() {
  const box = $("members");
  box.hidden = members === null;
  if (members === null) return;
  const segment = segmentName(members.system, members.segment);
  const link = (customer) =>
    h(
      "button",
      { type: "button", class: "link", "data-key": `m-${customer}`, onclick: () => chooseCustomer(customer) },
      customer,
    );
  fill(
    box,
    h(
      "header",
      {},
      h("h3", { tabindex: "-1" }, t("members.title", { segment })),
      h(
        "button",
        {
          type: "button",
          class: "small",
          onclick: () => {
            const from = members.segment;
            close();
            show();
            document.querySelector(`#segments-table [data-key="${CSS.escape(from)}"]`)?.focus();
          },
        },
        t("members.close"),
      ),
    ),
    members.wrong && h("p", { class: "wrong" }, members.wrong),
    members.customers.length === 0 && !members.wrong
      ? h("p", { class: "empty" }, t("members.empty"))
      : table(
          t("members.caption", { segment }),
          [t("members.customer"), t("members.since")],
          members.customers.map((each) => [link(each.customer_id), instant(each.since)]),
        ),
    members.done ? null : h("button", { type: "button", class: "small", "data-key": "more", onclick: more }, t("members.more")),
  );
}
