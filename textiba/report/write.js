// How names, numbers, colours and elements are written.

const className = (index) => data.labels[index] ?? `class ${index}`;

function number(value, signed = false) {
  if (value === null || value === undefined) return "—";
  const size = Math.abs(value);
  const rounded = Number(size.toPrecision(3));
  const text = size >= 1000 ? size.toFixed(0) : size > 0 && size < 0.0005 ? rounded.toExponential() : String(rounded);
  return (value < 0 ? "−" : signed && value > 0 ? "+" : "") + text;
}

const score = (value) => `${number(value, measure().signed)} ${measure().unit}`;

// "layer 2, β 0.001", without what there is none of.
function whereOf({ layer, beta }) {
  return [layer === null ? null : `layer ${layer}`, beta === null ? null : `β ${number(beta)}`].filter(Boolean).join(", ");
}

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
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : "#ffffff";
}

// Elements without markup: whatever a text says, it stays text.
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
