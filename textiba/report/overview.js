// Charts: results by β on the chosen text, and the layer profile and degradation over all texts.

const TONES = 5;
const allCheckpoints = [...new Set([...data.checkpoints, ...data.profile.map((r) => r.checkpoint), ...data.curves.map((c) => c.checkpoint)])];
const toneOf = (checkpoint) => `tone-${allCheckpoints.indexOf(checkpoint) % TONES}`;

function renderBetas() {
  const section = byId("beta-section");
  section.hidden = measure().betas.length < 2;
  if (section.hidden) return;
  const along = shownCheckpoints().map((c) => [c, runsAlong("beta", c)]).filter(([, list]) => list.length > 1);
  byId("beta-maps").replaceChildren(...along.map(([c, list]) => cellMap(c, list, "beta", (run) => `β ${number(run.beta)}`)));
  byId("beta-charts").replaceChildren(...(along.length ? betaCharts(along) : [noBetas()]));
}

function noBetas() {
  const counts = new Map();
  for (const i of shownCheckpoints().flatMap((c) => runsOf(state.text, c))) {
    if (columns.measure[i] === state.measure) counts.set(layerAt(i), (counts.get(layerAt(i)) ?? new Set()).add(betaAt(i)));
  }
  const layers = [...counts].filter(([, betas]) => betas.size > 1).map(([layer]) => layer);
  const note = element("p", { class: "empty", text: layers.length ? "Several β were computed at another layer. " : "One β was computed for this text." });
  for (const layer of layers) note.append(element("button", { type: "button", text: `Show layer ${layer}`, on: { click: () => update({ layer }) } }));
  return note;
}

function betaCharts(along) {
  const values = measure().betas.filter((beta) => along.some(([, list]) => list.some((run) => run.beta === beta)));
  const x = { label: "β (price of a nat of information)", short: "β", values, log: values.every((beta) => beta > 0) };
  const lines = (read) => along.map(([c, list]) => ({
    name: data.checkpoints[c], tone: toneOf(data.checkpoints[c]), points: list.filter((run) => read(run) !== undefined).map((run) => [run.beta, read(run)]),
  })).filter((line) => line.points.length);
  const common = { x, at: state.beta, onPick: (beta) => update({ beta }) };
  const kept = lines((run) => run.kept ?? undefined);
  return [
    chart({ ...common, title: "Information that passes", y: { label: `${measure().unit} per text`, unit: measure().unit }, series: lines((run) => run.total) }),
    kept.length ? chart({ ...common, title: "Prediction that is kept", y: { label: "p(target) through the bottleneck", low: 0, high: 1 }, series: kept }) : null,
  ].filter(Boolean);
}

// Draws the optimisation of the chosen text, step by step.
function renderTrace() {
  const runs = shownCheckpoints().map((c) => findRun(c)).filter(Boolean);
  const traces = runs.map((run) => [run, traceOf(run)]).filter(([, trace]) => trace.length > 1);
  byId("trace-section").hidden = traces.length === 0;
  if (!traces.length) return;
  const values = Array.from({ length: Math.max(...traces.map(([, trace]) => trace.length)) }, (_, step) => step);
  const x = { label: "step of the optimisation", short: "step", values };
  const lines = (index) => traces.map(([run, trace]) => {
    const name = data.checkpoints[run.checkpoint];
    return { name, tone: toneOf(name), points: trace.map((point) => [point[0], point[index]]) };
  });
  const states = traces.map(([run]) => `${data.checkpoints[run.checkpoint]} ${run.converged ? "has settled" : "has not settled yet"}`);
  byId("trace-charts").replaceChildren(
    chart({ title: "Cross-entropy", note: states.join(", "), x, y: { label: "−log p(target) [nats]", unit: "nats" }, series: lines(1) }),
    chart({ title: "Information that passes", x, y: { label: "bits per text", unit: "bits" }, series: lines(2) }));
}

// A chart shows one β, the slider's where it has results: lines of several β would look alike.
function renderProfile() {
  const betas = new Set(data.profile.map((row) => row.beta));
  const chosen = betas.has(state.beta) ? state.beta : data.profile.find((row) => row.beta !== null)?.beta ?? null;
  const rows = data.profile.filter((row) => row.layer !== null && (row.beta === null || row.beta === chosen));
  const wanted = [
    [`Bits that the bottleneck lets through${betas.size > 2 ? `, β ${number(chosen)}` : ""}`, "bits per text", "total", rows.filter((row) => row.kept)],
    ["Usable bits about the class", "log₂ p(target), open − closed [bits]", "usable", rows.filter((row) => row.usable)],
  ];
  const charts = wanted.filter(([, , , list]) => new Set(list.map((row) => row.layer)).size > 1).map(([title, label, field, list]) => profileChart(title, label, field, list));
  byId("profile-charts").replaceChildren(...charts);
  return charts.length;
}

function profileChart(title, label, field, rows) {
  const methods = new Set(rows.map((row) => row.method));
  const lines = new Map();
  for (const row of rows) {
    const name = [row.checkpoint, ...(methods.size > 1 ? [row.method] : [])].join(" · ");
    if (!lines.has(name)) lines.set(name, { name, tone: toneOf(row.checkpoint), dash: [...methods].indexOf(row.method) % 4, points: [] });
    lines.get(name).points.push([row.layer, ...row[field]]);
  }
  for (const line of lines.values()) line.points.sort((a, b) => a[0] - b[0]);
  const values = [...new Set(rows.map((row) => row.layer))].sort((a, b) => a - b);
  return chart({
    title, note: `mean of ${rows[0].texts} texts, 95 % bands`, x: { label: "layer (0: embeddings)", short: "layer", values },
    y: { label, unit: "bits" }, series: [...lines.values()], at: values.includes(state.layer) ? state.layer : null, onPick: (layer) => update({ layer }),
  });
}

const MANY = 8; // curves that are shown together

// Draws the curves; of many only those at the chosen layer and β, with a table of all areas below.
function renderCurves() {
  const here = data.curves.filter((curve) => (curve.layer === null || curve.layer === state.layer) && (curve.beta === null || curve.beta === state.beta || !measure().betas.length));
  const shown = data.curves.length <= MANY ? data.curves : here;
  byId("curve-charts").replaceChildren(...shown.map(curveChart));
  byId("curve-areas").replaceChildren(...(data.curves.length > MANY ? [areaTable()] : []));
  for (const id of ["curves-title", "curves-hint"]) byId(id).hidden = data.curves.length === 0;
}

const areaOf = ({ area }) => (area ? `${number(area[0])} [${number(area[1])}, ${number(area[2])}]` : "—");

function curveChart(curve) {
  const series = Object.entries(curve.orders).map(([order, points]) => {
    const [name, tone, dash] = ORDERS[order];
    return { name, tone, dash, points: points.map((p, i) => [curve.steps[i], ...p]) };
  });
  const how = HOW[curve.removal] ?? curve.removal;
  const where = data.curves.length > MANY ? [whereOf(curve)].filter(Boolean) : [];
  return chart({
    title: [curve.checkpoint, curve.method, ...where].join(" · "), note: `${curve.area ? `area ${areaOf(curve)}, ` : ""}${curve.texts} texts`, series,
    x: { label: `${curve.by === "fraction" ? "share" : "number"} of tokens ${how}`, short: how, values: curve.steps }, y: { label: "p(target)", low: 0, high: 1 },
  });
}

function areaTable() {
  const sorted = [...data.curves].sort((a, b) => (b.area?.[0] ?? -9) - (a.area?.[0] ?? -9));
  return tableOf("Area between the two orders, of every curve", {
    checkpoint: sorted.map((curve) => curve.checkpoint), method: sorted.map((curve) => curve.method),
    where: sorted.map(whereOf), tokens: sorted.map((curve) => HOW[curve.removal] ?? curve.removal),
    "area (95 %)": sorted.map(areaOf), texts: sorted.map((curve) => String(curve.texts)),
  });
}

// A table from columns of text, with its own scroll bar.
function tableOf(title, content) {
  const names = Object.keys(content);
  const rows = content[names[0]].map((_, i) => element("tr", {}, ...names.map((name, column) => element(column ? "td" : "th", { text: content[name][i], scope: column ? null : "row" }))));
  return element("div", { class: "scroll board", tabindex: 0, role: "group", "aria-label": title },
    element("table", {}, element("caption", { text: title }), element("thead", {}, element("tr", {}, ...names.map((name) => element("th", { scope: "col", text: name })))), element("tbody", {}, ...rows)));
}

function renderLeaderboards() {
  byId("leaderboard-section").hidden = data.leaderboards.length === 0;
  byId("leaderboards").replaceChildren(...data.leaderboards.map(({ title, columns: content }) => tableOf(title, content)));
}
