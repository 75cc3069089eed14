/**
 * Ask the service: answers as objects, errors as `Problem`, changes as a stream.
 *
 * Responsible for the bearer token, for what a failure means, and for taking the stream up again
 * where it broke off. Must not touch the page.
 */

const TOKEN = "rewake.token";
const BACKOFF_MS = [500, 1_000, 2_000, 5_000];
const QUIET_MS = 45_000;

/** What went wrong: `status` is 0 where the service did not answer at all. */
export class Problem extends Error {
  constructor(status, body = {}) {
    super(body.detail ?? body.title ?? "");
    this.status = status;
    this.body = body;
  }
}

let asked = null;
let askForToken = async () => {};

/** Take the function that gets a token from the reader; it is told whether one was refused. */
export function onUnauthorized(ask) {
  askForToken = ask;
}

/** Keep a token until the tab is closed. */
export function keepToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

function headers(more = {}) {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

async function authorize() {
  // All that were refused at once wait for one answer.
  asked ??= askForToken(sessionStorage.getItem(TOKEN) !== null).finally(() => (asked = null));
  await asked;
}

async function reach(path, options = {}) {
  for (;;) {
    let answer;
    try {
      answer = await fetch(path, { cache: "no-store", credentials: "omit", ...options, headers: headers(options.headers) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0);
    }
    if (answer.status !== 401) return answer;
    await authorize();
  }
}

/** Ask for JSON; parameters that are null are left out. */
export async function get(path, parameters = {}, signal = undefined) {
  const told = Object.entries(parameters).filter(([, value]) => value !== null && value !== "");
  const query = told.length ? `?${new URLSearchParams(told)}` : "";
  const answer = await reach(path + query, { signal });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(answer.status, body);
  return body;
}

/** The path of a customer, whatever stands in the id. */
export const customerPath = (id) => `v1/customers/${encodeURIComponent(id)}`;

/** Split the text of server-sent events into events; `comment` is called for heartbeats, too. */
async function* events(body, alive) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      alive();
      rest += value;
      const blocks = rest.split(/\r?\n\r?\n/);
      rest = blocks.pop();
      for (const block of blocks) {
        const event = { id: null, name: "message", data: [] };
        for (const line of block.split(/\r?\n/)) {
          const at = line.indexOf(":");
          if (at <= 0) continue;
          const value = line.slice(at + 1).replace(/^ /, "");
          if (line.startsWith("id:")) event.id = value;
          else if (line.startsWith("event:")) event.name = value;
          else if (line.startsWith("data:")) event.data.push(value);
        }
        if (event.data.length) yield { ...event, data: event.data.join("\n") };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

const pause = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });

/**
 * Follow the changes for as long as `signal` lets it.
 *
 * `change` is called with each, `state` with `open` or a `Problem` when it breaks off. It is taken
 * up after the last change heard, sooner or later by how often it failed. No word for 45 s, not
 * even a heartbeat, counts as broken.
 */
export async function follow(parameters, { change, state, signal }) {
  let last = null;
  for (let failed = 0; !signal.aborted; failed += 1) {
    const once = new AbortController();
    const stop = () => once.abort();
    signal.addEventListener("abort", stop, { once: true });
    let watch = setTimeout(stop, QUIET_MS);
    const alive = () => {
      clearTimeout(watch);
      watch = setTimeout(stop, QUIET_MS);
    };
    try {
      const told = Object.entries(parameters).filter(([name, value]) => value && !(last && name === "backlog"));
      const answer = await reach(`v1/changes?${new URLSearchParams(told)}`, {
        signal: once.signal,
        headers: { Accept: "text/event-stream", ...(last ? { "Last-Event-ID": last } : {}) },
      });
      if (!answer.ok) throw new Problem(answer.status, await answer.json().catch(() => ({})));
      state("open");
      for await (const event of events(answer.body, alive)) {
        last = event.id ?? last;
        failed = 0;
        if (event.name === "change") change(JSON.parse(event.data));
      }
      if (!signal.aborted) state(new Problem(0));
    } catch (error) {
      if (signal.aborted) return;
      // A cursor the service no longer knows must not keep us out for ever.
      if (error instanceof Problem && error.status === 400) last = null;
      state(error instanceof Problem ? error : new Problem(0));
    } finally {
      clearTimeout(watch);
      signal.removeEventListener("abort", stop);
      once.abort();
    }
    await pause(BACKOFF_MS[Math.min(failed, BACKOFF_MS.length - 1)], signal);
  }
}
