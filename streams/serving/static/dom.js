/**
 * Make elements without strings of HTML.
 *
 * Responsible for building and replacing nodes. What the service says is always text here, never
 * markup.
 */

/** The element with an id, which the page has. */
export const $ = (id) => document.getElementById(id);

/**
 * Build an element: attributes by name, `on…` as listeners, `class`, `style` as an object of
 * properties (set one by one: the page's policy allows no style attribute), then children.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style")
      for (const [key, each] of Object.entries(value)) element.style.setProperty(key, each);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Replace all children, keeping the focus on the element with the same `data-key`. */
export function fill(parent, ...children) {
  const key = parent.contains(document.activeElement) && document.activeElement.dataset.key;
  parent.replaceChildren(...children.flat().filter((child) => child !== null));
  if (key) parent.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** Let the keyboard scroll what is wider than its place, and only that. */
export function scrollable(box, named) {
  new ResizeObserver(() => {
    const wider = box.scrollWidth > box.clientWidth;
    for (const [name, value] of [["tabindex", "0"], ["role", "region"], ["aria-labelledby", named]])
      if (wider) box.setAttribute(name, value);
      else box.removeAttribute(name);
  }).observe(box);
}

/** Set a text only where it differs: what listens to it is told once. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Fill a select with [value, text] pairs, keeping what is chosen where it still exists. */
export function choices(select, pairs, chosen = select.value) {
  select.replaceChildren(...pairs.map(([value, text]) => h("option", { value }, text)));
  select.value = pairs.some(([value]) => value === chosen) ? chosen : pairs[0]?.[0];
}

/**
 * Build a table: a caption for those who do not see it, heads, rows; the first cell of a row names
 * it. A head or a cell is a text or a node; `numeric` lists the columns to be set as numbers.
 */
export function table(caption, heads, rows, numeric = [], foot = null) {
  const side = (at) => (numeric.includes(at) ? "number" : null);
  const line = (cells) =>
    h(
      "tr",
      {},
      cells.map((cell, at) =>
        at === 0
          ? h("th", { scope: "row", class: side(at) }, cell)
          : h("td", { class: side(at) }, cell),
      ),
    );
  return h(
    "table",
    {},
    h("caption", { class: "hidden" }, caption),
    h("thead", {}, h("tr", {}, heads.map((head, at) => h("th", { scope: "col", class: side(at) }, head)))),
    h("tbody", {}, rows.map(line)),
    foot && h("tfoot", {}, line(foot)),
  );
}

/** Call a function at most once in a time, and once after the last call. */
export function calmly(call, ms) {
  let timer = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      call();
    }, ms);
  };
}
