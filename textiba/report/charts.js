// Draws line charts as SVG, with bands, a table of their values, and points that can be clicked.

const SVG = "http://www.w3.org/2000/svg";
const BOX = { width: 440, height: 270, left: 54, right: 16, top: 12, bottom: 42 };

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// About `count` round numbers that cover low to high.
function ticks(low, high, count = 5) {
  const span = high - low || 1;
  const power = 10 ** Math.floor(Math.log10(span / count));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => span / s <= count) ?? power * 10;
  const out = [];
  for (let i = Math.floor(low / step + 1e-9); i * step < high + step * 0.999; i++) out.push(Number((i * step).toPrecision(12)));
  return out;
}

// Draws a chart: chart({title, note, x: {label, values, log}, y: {label, low, high}, series: [{name, tone, dash, points}], at, onPick})
// with points [x, mean, low, high]; low and high are optional. A plain chart has no table of its values.
function chart({ title, note, x, y, series, at = null, onPick = null, plain = false }) {
  const numbers = series.flatMap((line) => line.points.flatMap((point) => point.slice(1))).filter((v) => v !== null && v !== undefined);
  const yTicks = ticks(y.low ?? Math.min(0, ...numbers), y.high ?? Math.max(0, ...numbers));
  const across = scaleOf(x.values, x.log);
  const toX = (v) => BOX.left + across(v) * (BOX.width - BOX.left - BOX.right);
  const [low, high] = [yTicks[0], yTicks[yTicks.length - 1]];
  const toY = (v) => BOX.top + (1 - (v - low) / (high - low || 1)) * (BOX.height - BOX.top - BOX.bottom);
  const root = svg("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img", "aria-label": `${title}. ${summary(series)}` });
  axes(root, { x, y, yTicks, toX, toY });
  if (at !== null) root.append(svg("line", { class: "at", x1: toX(at), x2: toX(at), y1: BOX.top, y2: BOX.height - BOX.bottom }));
  for (const line of series) root.append(band(line, toX, toY));
  for (const line of series) root.append(stroke(line, toX, toY), ...dots(line, x, y, toX, toY, onPick));
  return element("figure", { class: "chart" },
    element("figcaption", {}, element("b", { text: title }), note ? element("span", { class: "note", text: note }) : null),
    root, key(series), plain ? null : table(x, y, series));
}

function scaleOf(values, log) {
  const to = log ? Math.log10 : (v) => v;
  const [low, high] = [to(Math.min(...values)), to(Math.max(...values))];
  return (v) => (high === low ? 0.5 : (to(v) - low) / (high - low));
}

function axes(root, { x, y, yTicks, toX, toY }) {
  const floor = BOX.height - BOX.bottom;
  for (const v of yTicks) {
    root.append(svg("line", { class: v === 0 ? "zero" : "grid", x1: BOX.left, x2: BOX.width - BOX.right, y1: toY(v), y2: toY(v) }));
    root.append(label(BOX.left - 7, toY(v) + 4, number(v), "end"));
  }
  let last = -Infinity;
  for (const v of x.values) {
    if (toX(v) - last < 27) continue; // its number would overlap the last one
    last = toX(v);
    root.append(label(toX(v), floor + 16, number(v), "middle"));
  }
  root.append(label((BOX.left + BOX.width - BOX.right) / 2, BOX.height - 6, x.label, "middle", "axis"));
  const up = label(13, (BOX.top + floor) / 2, y.label, "middle", "axis");
  up.setAttribute("transform", `rotate(-90 13 ${(BOX.top + floor) / 2})`);
  root.append(up);
}

function label(x, y, text, anchor, kind = "tick") {
  const node = svg("text", { x, y, "text-anchor": anchor, class: kind });
  node.textContent = text;
  return node;
}

function band(line, toX, toY) {
  const points = line.points.filter((point) => point.length > 2);
  if (points.length < 2) return svg("g");
  const there = points.map((point) => `${toX(point[0])},${toY(point[3])}`);
  const back = points.map((point) => `${toX(point[0])},${toY(point[2])}`).reverse();
  return svg("polygon", { class: `band ${line.tone}`, points: [...there, ...back].join(" ") });
}

function stroke(line, toX, toY) {
  const points = line.points.map((point) => `${toX(point[0])},${toY(point[1])}`).join(" ");
  return svg("polyline", { class: `line ${line.tone} dash-${line.dash ?? 0}`, points });
}

function dots(line, x, y, toX, toY, onPick) {
  return line.points.map((point) => {
    const node = svg("circle", { class: `dot ${line.tone}${onPick ? " pick" : ""}`, cx: toX(point[0]), cy: toY(point[1]), r: 3.5 });
    const hint = svg("title");
    const range = point.length > 2 ? ` [${number(point[2])}, ${number(point[3])}]` : "";
    hint.textContent = `${line.name}, ${x.short ?? x.label} ${number(point[0])}: ${number(point[1])}${range} ${y.unit ?? ""}`;
    node.append(hint);
    if (onPick) node.addEventListener("click", () => onPick(point[0]));
    return node;
  });
}

function key(series) {
  const items = series.map((line) => {
    const sample = svg("svg", { viewBox: "0 0 26 8", class: "sample", "aria-hidden": "true" },
      svg("line", { class: `line ${line.tone} dash-${line.dash ?? 0}`, x1: 1, x2: 25, y1: 4, y2: 4 }));
    return element("li", {}, sample, line.name);
  });
  return element("ul", { class: "key" }, ...items);
}

// The chart's numbers as a table, for screen readers, print and copying.
function table(x, y, series) {
  const head = element("tr", {}, element("th", { text: x.short ?? x.label, scope: "col" }), ...series.map((line) => element("th", { text: line.name, scope: "col" })));
  const rows = x.values.map((value) => {
    const cells = series.map((line) => {
      const point = line.points.find((p) => p[0] === value);
      const range = point && point.length > 2 ? ` [${number(point[2])}, ${number(point[3])}]` : "";
      return element("td", { text: point ? number(point[1]) + range : "—" });
    });
    return element("tr", {}, element("th", { text: number(value), scope: "row" }), ...cells);
  });
  return element("details", {}, element("summary", { text: "Values" }),
    element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Table of values" }, element("table", {}, element("caption", { text: y.label }), element("thead", {}, head), element("tbody", {}, ...rows))));
}

function summary(series) {
  return series.map((line) => {
    const [first, last] = [line.points[0], line.points[line.points.length - 1]];
    return `${line.name}: from ${number(first[1])} to ${number(last[1])}`;
  }).join("; ");
}

// A small chart without axes: one word's score at each layer.
function sparkline(points, chosen, { low, high, signed, unit }) {
  const [width, height, edge] = [150, 38, 5];
  const across = scaleOf(points.map((p) => p[0]), false);
  const toX = (v) => edge + across(v) * (width - 2 * edge);
  const toY = (v) => edge + (1 - (v - low) / (high - low || 1)) * (height - 2 * edge);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "spark", role: "img" });
  root.setAttribute("aria-label", points.map((p) => `layer ${p[0]}: ${number(p[1], signed)} ${unit}`).join(", "));
  root.append(svg("line", { class: "zero", x1: edge, x2: width - edge, y1: toY(0), y2: toY(0) }));
  root.append(svg("polyline", { class: "line", points: points.map((p) => `${toX(p[0])},${toY(p[1])}`).join(" ") }));
  for (const point of points) {
    const dot = svg("circle", { class: point[0] === chosen ? "dot chosen" : "dot", cx: toX(point[0]), cy: toY(point[1]), r: point[0] === chosen ? 4 : 2 });
    const hint = svg("title");
    hint.textContent = `layer ${point[0]}: ${number(point[1], signed)} ${unit}`;
    dot.append(hint);
    root.append(dot);
  }
  return root;
}
