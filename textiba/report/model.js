// The data, the state of the view, and how numbers and colours are written. Nothing here touches the page.

const data = JSON.parse(document.getElementById("data").textContent);

const runs = new Map(data.runs.map((run) => [runKey(run), run]));

const state = {
  review: 0,
  measure: 0,
  layer: null,
  beta: null,
  word: null,
  rationale: true,
  hidden: new Set(),
};

function runKey({ review, checkpoint, measure, layer, beta }) {
  return [review, checkpoint, measure, layer, beta].join("|");
}

const measure = () => data.measures[state.measure];

// The run that the state names, or the one that differs from it as `changes` say.
function findRun(checkpoint, changes = {}) {
  const { review, measure: index, layer, beta } = { ...state, ...changes };
  return runs.get(runKey({ review, checkpoint, measure: index, layer, beta }));
}

// Any run of the chosen review, checkpoint and measure: the nearest in layer, to say what there is instead.
function nearestRun(checkpoint) {
  const distance = (run) => Math.abs((run.layer ?? 0) - (state.layer ?? 0)) + (run.beta === state.beta ? 0 : 0.5);
  return data.runs
    .filter((run) => run.review === state.review && run.checkpoint === checkpoint && run.measure === state.measure)
    .sort((a, b) => distance(a) - distance(b))[0];
}

// Any run at all of a review on a checkpoint: its prediction is the same in all of them.
function predictionOf(review, checkpoint) {
  return data.runs.find((run) => run.review === review && run.checkpoint === checkpoint);
}

const shownCheckpoints = () => data.checkpoints.map((_, i) => i).filter((i) => !state.hidden.has(i));

// Runs of the chosen review along one axis ("layer" or "beta"), all else as chosen.
function runsAlong(axis, checkpoint) {
  return measure()[`${axis}s`].map((value) => findRun(checkpoint, { [axis]: value })).filter(Boolean);
}

// The value with which a measure has the most runs: where it was swept from, and the best place to start.
function mostCommon(index, axis) {
  const counts = new Map();
  for (const run of data.runs) {
    if (run.measure === index && run[axis] !== null) counts.set(run[axis], (counts.get(run[axis]) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0]?.[0] ?? null;
}

// Keeps layer and β when the measure has them, and takes its most common ones when not.
function settle() {
  const { layers, betas } = measure();
  if (!layers.includes(state.layer)) state.layer = mostCommon(state.measure, "layer");
  if (!betas.includes(state.beta)) state.beta = mostCommon(state.measure, "beta");
}

const className = (index) => data.labels[index] ?? `class ${index}`;

function number(value, signed = false) {
  if (value === null || value === undefined) return "—";
  const size = Math.abs(value);
  const rounded = Number(size.toPrecision(3));
  const text = size >= 1000 ? size.toFixed(0) : size > 0 && size < 0.0005 ? rounded.toExponential() : String(rounded);
  return (value < 0 ? "−" : signed && value > 0 ? "+" : "") + text;
}

const score = (value) => `${number(value, measure().signed)} ${measure().unit}`;

// Colours. Two themes, since "nothing" must be the colour of the ground.
const darkMode = matchMedia("(prefers-color-scheme: dark)");
let printing = false;

function stops() {
  const ramp = data.ramps[darkMode.matches && !printing ? "dark" : "light"];
  return measure().signed ? ramp.diverging : ramp.sequential;
}

const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

function colorOf(value) {
  const { limit, signed } = measure();
  const ramp = stops();
  const share = signed ? (value / limit + 1) / 2 : value / limit;
  const place = Math.min(1, Math.max(0, share)) * (ramp.length - 1);
  const lower = Math.min(Math.floor(place), ramp.length - 2);
  const [from, to] = [channels(ramp[lower]), channels(ramp[lower + 1])];
  return from.map((c, i) => Math.round(c + (to[i] - c) * (place - lower)));
}

const css = (rgb) => `rgb(${rgb.join(" ")})`;

// Black or white, by WCAG's relative luminance: 0.179 is where their contrasts meet.
function inkOn(rgb) {
  const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#111111" : "#ffffff";
}

// Elements without markup: whatever a review says, it stays text.
function element(tag, { text, on, dataset, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  for (const [name, handler] of Object.entries(on ?? {})) node.addEventListener(name, handler);
  for (const [name, value] of Object.entries(dataset ?? {})) node.dataset[name] = value;
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const byId = (id) => document.getElementById(id);
