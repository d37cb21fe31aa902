// Charts: what β buys on the chosen review, and the layer profile and degradation over all reviews.

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
  for (const run of data.runs) {
    if (run.review === state.review && run.measure === state.measure) counts.set(run.layer, (counts.get(run.layer) ?? new Set()).add(run.beta));
  }
  const layers = [...counts].filter(([, betas]) => betas.size > 1).map(([layer]) => layer);
  const note = element("p", { class: "empty", text: layers.length ? "Several β were computed elsewhere. " : "One β was computed for this review." });
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
    chart({ ...common, title: "Information that passes", y: { label: `${measure().unit} per review`, unit: measure().unit }, series: lines((run) => run.total) }),
    kept.length ? chart({ ...common, title: "Prediction that is kept", y: { label: "p(target) through the bottleneck", low: 0, high: 1 }, series: kept }) : null,
  ].filter(Boolean);
}

function renderProfile() {
  const rows = data.profile.filter((row) => row.layer !== null);
  const wanted = [
    ["Bits that the bottleneck lets through", "bits per review", "total", rows.filter((row) => row.kept)],
    ["Usable bits about the class", "log₂ p(target), open − closed [bits]", "usable", rows.filter((row) => row.usable)],
  ];
  const charts = wanted.filter(([, , , list]) => list.length).map(([title, label, field, list]) => profileChart(title, label, field, list));
  byId("profile-charts").replaceChildren(...charts);
  return charts.length;
}

function profileChart(title, label, field, rows) {
  const betas = [...new Set(rows.map((row) => row.beta))].sort((a, b) => a - b);
  const methods = new Set(rows.map((row) => row.method));
  const lines = new Map();
  for (const row of rows) {
    const name = [row.checkpoint, ...(methods.size > 1 ? [row.method] : []), ...(betas.length > 1 ? [`β ${number(row.beta)}`] : [])].join(" · ");
    if (!lines.has(name)) lines.set(name, { name, tone: toneOf(row.checkpoint), dash: betas.indexOf(row.beta) % 4, points: [] });
    lines.get(name).points.push([row.layer, ...row[field]]);
  }
  for (const line of lines.values()) line.points.sort((a, b) => a[0] - b[0]);
  const values = [...new Set(rows.map((row) => row.layer))].sort((a, b) => a - b);
  const pick = (layer) => update({ layer });
  return chart({
    title, note: `mean of ${rows[0].reviews} reviews, 95 % bands`, x: { label: "layer (0: embeddings)", short: "layer", values },
    y: { label, unit: "bits" }, series: [...lines.values()], at: values.includes(state.layer) ? state.layer : null, onPick: pick,
  });
}

const ORDERS = { morf: ["most relevant first", "morf", 0], lerf: ["least relevant first", "lerf", 0], random: ["random", "random", 1] };

function renderCurves() {
  byId("curve-charts").replaceChildren(...data.curves.map((curve) => {
    const series = Object.entries(curve.orders).map(([order, points]) => {
      const [name, tone, dash] = ORDERS[order];
      return { name, tone, dash, points: points.map((p, i) => [curve.steps[i], ...p]) };
    });
    const area = curve.area ? `area ${number(curve.area[0])} [${number(curve.area[1])}, ${number(curve.area[2])}], ` : "";
    const how = { delete: "deleted", mask: "masked" }[curve.removal] ?? curve.removal;
    return chart({
      title: `${curve.checkpoint} · ${curve.method}`, note: `${area}${curve.reviews} reviews`, series,
      x: { label: `${curve.by === "fraction" ? "share" : "number"} of tokens ${how}`, short: how, values: curve.steps }, y: { label: "p(target)", low: 0, high: 1 },
    });
  }));
  for (const id of ["curves-title", "curves-hint"]) byId(id).hidden = data.curves.length === 0;
  return data.curves.length;
}
