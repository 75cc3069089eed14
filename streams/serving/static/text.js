/**
 * Say things in the reader's language: words, numbers, money, instants.
 *
 * Responsible for the chosen language and the business time zone. Must not hold words: `words.js`
 * does.
 */
import { WORDS } from "./words.js";

const KEY = "rewake.language";
const LOCALES = { en: "en-GB", zh: "zh-CN" };

function preferred() {
  const kept = localStorage.getItem(KEY);
  if (kept in WORDS) return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

let language = preferred();
let zone = "UTC";
let formats = new Map();

/** The language in use: `en` or `zh`. */
export const lang = () => language;

/** Use a language from now on, and remember it. */
export function speak(chosen) {
  language = chosen;
  localStorage.setItem(KEY, chosen);
  formats = new Map();
}

/** Take the business time zone. */
export function liveIn(name) {
  zone = name;
  formats = new Map();
}

/** The business time zone. */
export const timezone = () => zone;

/** The words of a key, filled in. */
export function t(key, fillings = {}) {
  const words = WORDS[language][key];
  if (words === undefined) throw new Error(`expected words for ${key}`);
  return words.replace(/\{(\w+)\}/g, (_, name) => fillings[name]);
}

/** The word for what the service calls `value`; that itself where a later service says more. */
export const word = (kind, value) => (`${kind}.${value}` in WORDS[language] ? t(`${kind}.${value}`) : value);

/** One of two-language labels `{zh, en}`. */
export const label = (labels, otherwise = "") => labels?.[language] ?? otherwise;

function format(name, make) {
  if (!formats.has(name)) formats.set(name, make(LOCALES[language]));
  return formats.get(name);
}

/** A number with its thousands set apart. */
export const number = (value, digits = 0) =>
  format(`n${digits}`, (locale) => new Intl.NumberFormat(locale, { maximumFractionDigits: digits })).format(value);

/** A share between 0 and 1 as per cent. */
export const percent = (value) =>
  format("%", (locale) => new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 })).format(value);

/** Money in major units, given as the service writes it; whole units: a page is no ledger. */
export const money = (value, currency) =>
  format(`m${currency}`, (locale) =>
    new Intl.NumberFormat(locale, { style: "currency", currency, maximumFractionDigits: 0 }),
  ).format(value);

/** An instant in business time; the seconds are those of the day only where asked for. */
export const instant = (ms, seconds = false) =>
  format(`i${seconds}`, (locale) =>
    new Intl.DateTimeFormat(locale, {
      year: "numeric",
      month: "short",
      day: "numeric",
      hour: "2-digit",
      minute: "2-digit",
      second: seconds ? "2-digit" : undefined,
      hourCycle: "h23",
      timeZone: zone,
    }),
  ).format(ms);

/** "as of …", or that there is no clock. */
export const asOf = (ms) => (ms === null || ms === undefined ? t("asof.none") : t("asof", { at: instant(ms) }));

const SPANS = [["days", 86_400_000], ["hours", 3_600_000], ["minutes", 60_000]];

/** A span in its largest unit of which there are two. */
export function span(ms) {
  for (const [unit, size] of [...SPANS, ["seconds", 500]])
    if (ms >= 2 * size) return t(`span.${unit}`, { n: unit === "seconds" ? number(ms / 1_000, 1) : number(ms / size) });
  return t("span.ms", { n: number(ms) });
}

function parts(ms) {
  const written = format("p", () =>
    new Intl.DateTimeFormat("en-GB", {
      year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
      second: "2-digit", hourCycle: "h23", timeZone: zone,
    }),
  ).formatToParts(ms);
  return Object.fromEntries(written.map((part) => [part.type, part.value]));
}

/** An instant as the value of a `datetime-local` input, in business time. */
export function toInput(ms) {
  const { year, month, day, hour, minute } = parts(ms);
  return `${year}-${month}-${day}T${hour}:${minute}`;
}

/** The instant of a `datetime-local` input, taken as business time; NaN where it is empty. */
export function fromInput(value) {
  const wanted = Date.parse(`${value}Z`);
  const wall = (ms) => {
    const { year, month, day, hour, minute, second } = parts(ms);
    return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  };
  if (Number.isNaN(wanted)) return wanted;
  // Twice: near a change of the clocks the first guess has the other side's offset.
  const guess = wanted - (wall(wanted) - wanted);
  return guess - (wall(guess) - wanted);
}
