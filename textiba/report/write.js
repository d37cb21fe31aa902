// Writes names, numbers, colours and elements.

const className = (index) => data.labels[index] ?? `class ${index}`;

function number(value, signed = false, digits = 3) {
  if (value === null || value === undefined) return "—";
  const size = Math.abs(value);
  const rounded = Number(size.toPrecision(digits));
  const text = size >= 1000 ? size.toFixed(0) : size > 0 && size < 0.0005 ? rounded.toExponential() : String(rounded);
  return (value < 0 ? "−" : signed && value > 0 ? "+" : "") + text;
}

// A number with its unit. The page keeps a word's score to within 0.25 % near the largest of its run, and to within 1 %
// down to a 64th of the largest; a third digit of a smaller score would be wrong (see `quantise` in packing.py).
const score = (value, run = null) => `${number(value, measure().signed, run && 64 * Math.abs(value) < run.largest ? 2 : 3)} ${measure().unit}`;

// "layer 2, β 0.001"; leaves out a layer or β that a run does not have.
function whereOf({ layer, beta }) {
  return [layer === null ? null : `layer ${layer}`, beta === null ? null : `β ${number(beta)}`].filter(Boolean).join(", ");
}

// Colours have two themes, since a word without colour must have the colour of the background.
const darkMode = matchMedia("(prefers-color-scheme: dark)");
let printing = false;

function stops() {
  const ramp = data.ramps[darkMode.matches && !printing ? "dark" : "light"];
  return measure().signed ? ramp.diverging : ramp.sequential;
}

const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

// As `Range.strength` in scale.py: 0 below the scale's start, 1 beyond its end, and between them as log |value|.
function strengthOf(value) {
  const { limit, floor, signed } = measure();
  const size = signed ? Math.abs(value) : Math.max(0, value);
  if (size < floor || size > limit) return size > limit ? 1 : 0;
  const [faintest, strongest] = data.strengths;
  return faintest + (strongest - faintest) * Math.log(size / floor) / Math.log(limit / floor);
}

function placeOf(value) {
  const strength = strengthOf(value);
  return measure().signed ? (1 + Math.sign(value) * strength) / 2 : strength;
}

const colorOf = (value) => colorAt(placeOf(value));

// The colour at a place of the ramp, 0 … 1.
function colorAt(share) {
  const ramp = stops();
  const place = share * (ramp.length - 1);
  const lower = Math.min(Math.floor(place), ramp.length - 2);
  const [from, to] = [channels(ramp[lower]), channels(ramp[lower + 1])];
  return from.map((c, i) => Math.round(c + (to[i] - c) * (place - lower)));
}

const css = (rgb) => `rgb(${rgb.join(" ")})`;

// Black or white, by WCAG's relative luminance: at 0.179 the contrasts of both are equal.
function inkOn(rgb) {
  const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : "#ffffff";
}

// Makes elements without parsing markup, so markup in a text stays text.
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
