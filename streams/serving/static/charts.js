/**
 * Draw with plotly: a treemap of sizes, a Sankey diagram of moves.
 *
 * Responsible for plotly alone, which is fetched when it is first needed: tables do not wait for
 * it. Each chart is a picture with a description; what it shows stands in a table beside it.
 */
import { colourOf } from "./look.js";

let fetched = null;

// Plotly writes the styles of its maps into the page unless an element with this id is there.
const MAP_STYLES = "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53";

/**
 * Have plotly do without what the page's policy forbids. Scripts may set styles property by
 * property, but not write the attribute, as it does in a few places; and we draw no maps.
 */
function obeyPolicy() {
  const mapStyles = document.createElement("meta");
  mapStyles.id = MAP_STYLES;
  document.head.append(mapStyles);
  const write = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) {
    if (name === "style") this.style.cssText = value;
    else write.call(this, name, value);
  };
}

function plotly() {
  fetched ??= new Promise((resolve, reject) => {
    obeyPolicy();
    const script = document.createElement("script");
    script.src = "static/plotly.min.js";
    script.onload = () => resolve(globalThis.Plotly);
    script.onerror = () => reject(new Error("expected static/plotly.min.js"));
    document.head.append(script);
  });
  return fetched;
}

/** What each chart shows: drawn again without need, it would lose what the pointer points at. */
const drawn = new WeakMap();
const OPTIONS = { displayModeBar: false, responsive: true, showTips: false };

function layout(more = {}) {
  const style = getComputedStyle(document.body);
  return {
    margin: { t: 4, l: 4, r: 4, b: 4 },
    paper_bgcolor: "rgba(0,0,0,0)",
    font: { family: style.fontFamily, size: 13, color: colourOf("--ink") },
    hoverlabel: {
      bgcolor: colourOf("--raised"), bordercolor: colourOf("--line"),
      font: { family: style.fontFamily, color: colourOf("--ink") },
    },
    ...more,
  };
}

async function draw(element, traces, described, more = { height: element.clientHeight }) {
  element.setAttribute("aria-label", described);
  const arranged = layout(more);
  const picture = JSON.stringify([traces, arranged]);
  if (drawn.get(element) === picture) return;
  drawn.set(element, picture);
  const Plotly = await plotly();
  await Plotly.react(element, traces, arranged, OPTIONS);
}

/**
 * Draw sizes as a treemap.
 *
 * `pieces`: `{key, name, size, text, colour}`; `chosen` is called with the key of one clicked.
 */
export async function treemap(element, pieces, described, chosen) {
  const shown = pieces.filter((piece) => piece.size > 0);
  await draw(
    element,
    [
      {
        type: "treemap",
        ids: shown.map((piece) => piece.key),
        labels: shown.map((piece) => piece.name),
        parents: shown.map(() => ""),
        values: shown.map((piece) => piece.size),
        text: shown.map((piece) => piece.text),
        texttemplate: "<b>%{label}</b><br>%{text}",
        hovertemplate: "<b>%{label}</b><br>%{text}<extra></extra>",
        textfont: { color: "#fff" },
        marker: {
          colors: shown.map((piece) => piece.colour),
          line: { width: 2, color: colourOf("--card") },
          cornerradius: 4,
          pad: { t: 0, l: 0, r: 0, b: 0 },
        },
        tiling: { pad: 0 },
        pathbar: { visible: false },
        root: { color: "rgba(0,0,0,0)" },
      },
    ],
    described,
  );
  element.removeAllListeners?.("plotly_treemapclick");
  element.on?.("plotly_treemapclick", (event) => {
    const piece = event.points?.[0]?.id;
    if (piece) chosen(piece);
    return false;
  });
}

/**
 * Draw moves as a Sankey diagram: where they were on the left, where they are on the right.
 *
 * `moves`: `{from, to, size, text, colour}`, `from` and `to` being names.
 */
export async function sankey(element, moves, described) {
  const sources = [...new Map(moves.map((move) => [move.from, move.fromColour])).entries()];
  const targets = [...new Map(moves.map((move) => [move.to, move.toColour])).entries()];
  const left = new Map(sources.map(([name], at) => [name, at]));
  const right = new Map(targets.map(([name], at) => [name, sources.length + at]));
  const nodes = [...sources, ...targets];
  const height = Math.max(220, 48 + 34 * Math.max(sources.length, targets.length));
  element.style.setProperty("height", `${height}px`);
  await draw(
    element,
    [
      {
        type: "sankey",
        arrangement: "fixed",
        node: {
          label: nodes.map(([name]) => name),
          color: nodes.map(([, colour]) => colour),
          pad: 16,
          thickness: 12,
          line: { width: 0 },
          hovertemplate: "%{label}: %{value:,}<extra></extra>",
        },
        link: {
          source: moves.map((move) => left.get(move.from)),
          target: moves.map((move) => right.get(move.to)),
          value: moves.map((move) => move.size),
          color: moves.map((move) => `${move.toColour}55`),
          customdata: moves.map((move) => move.text),
          hovertemplate: "%{customdata}<extra></extra>",
        },
      },
    ],
    described,
    { margin: { t: 12, l: 8, r: 8, b: 12 }, height },
  );
}
