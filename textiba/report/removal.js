// The degradation of the chosen text: a slider removes its words and shows the remaining probability.

const ORDERS = { morf: ["most relevant first", "morf", 0], lerf: ["least relevant first", "lerf", 0], random: ["random", "random", 1] };
const HOW = { delete: "deleted", mask: "masked", pad: "padded", attention: "hidden from attention" };

// The ways of removing a token; steps and orders of one way may differ from run to run.
const ways = [...new Set(data.removals.map((set) => set.removal))];

// Removals by run and way, with the places where their cells and probabilities start.
const removals = new Map();
{
  let [cell, p] = [0, 0];
  for (let i = 0; i < columns.removedRun.length; i++) {
    const [run, set] = [columns.removedRun[i], data.removals[columns.removedSet[i]]];
    removals.set(`${run}|${set.removal}`, { set, cell, p });
    cell += tokensOf(columns.layout[run]);
    p += set.steps.length * set.orders.length;
  }
}

function tokensOf(layout) {
  return at.piece[layout + 1] - at.piece[layout];
}

// Rounds as Python does: halves to the even number.
function halfEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
}

// The number of tokens in the top share of a text; see `top_count` in evaluation/metrics/faithfulness.py.
function topCount(share, tokens) {
  return halfEven(Math.round(share * tokens * 1e6) / 1e6);
}

// The number of tokens that are gone at each step; see `Degradation.counts` in evaluation/degradation.py.
function countsOf({ by, steps }, tokens, order) {
  if (by === "count") return steps.map((step) => Math.min(step, tokens));
  return steps.map((step) => (order === "lerf" ? tokens - topCount(1 - step, tokens) : topCount(step, tokens)));
}

// Which tokens of a layout are removed at the chosen step; see `_cells` in payload.py.
function goneTokens(found, layout) {
  const tokens = tokensOf(layout);
  const [first, last] = ["morf", "lerf"].map((order) => countsOf(found.set, tokens, order));
  const edges = [...new Set([...first, ...last.map((count) => tokens - count)])].sort((a, b) => a - b);
  const count = (state.order === "lerf" ? last : first)[state.step];
  const cells = columns.removedCell.subarray(found.cell, found.cell + tokens);
  const gone = state.order === "lerf" ? (cell) => edges[cell] >= tokens - count : (cell) => edges[cell] < count;
  return Array.from(cells, gone);
}

function probabilitiesOf(found, order) {
  const { orders, steps } = found.set;
  const from = found.p + orders.indexOf(order) * steps.length;
  return Array.from(columns.removedP.subarray(from, from + steps.length), (whole) => whole / data.parts);
}

const removalOf = (run) => removals.get(`${run}|${ways[state.way]}`);

function renderRemoval() {
  if (!data.removals.length) {
    showAdvice(data.advice);
    return;
  }
  const found = shownCheckpoints().map((c) => findRun(c)).filter(Boolean)
    .map((run) => [run, removalOf(run.index)]).filter(([, removal], _, all) => removal && removal.set === all.find(([, r]) => r)[1].set); // one slider
  const { steps, by, orders } = found[0]?.[1].set ?? data.removals[0];
  if (!orders.includes(state.order)) state.order = orders.find((order) => order !== "random") ?? orders[0];
  state.step = Math.min(state.step, steps.length - 1);
  byId("removal-controls").hidden = found.length === 0;
  byId("removal-panels").replaceChildren(...found.map(([run, removal]) => removalPanel(run, removal)));
  showAdvice(found.length ? data.advice : [...data.advice, "No words were removed of this text at this layer and β."], found.length ? null : nearestRemoval());
  const slider = byId("removal-step");
  Object.assign(slider, { min: 0, max: steps.length - 1, value: state.step });
  const amount = by === "count" ? `${number(steps[state.step])} tokens` : `${number(100 * steps[state.step])} % of the tokens`;
  slider.setAttribute("aria-valuetext", [`${amount} removed`, ...found.map(([run, removal]) => left(run, removal))].join("; "));
  byId("removal-value").textContent = amount;
  for (const input of document.querySelectorAll("#removal-orders input")) input.checked = input.value === state.order;
  for (const input of document.querySelectorAll("#removal-ways input")) input.checked = Number(input.value) === state.way;
}

const left = (run, removal) => `${data.checkpoints[run.checkpoint]} ${probabilitiesOf(removal, state.order)[state.step].toFixed(2)}`;

function showAdvice(sentences, near = null) {
  const notes = sentences.map((text) => element("p", { class: "empty", text: `${text} ` }));
  if (near) notes[notes.length - 1].append(element("button", { type: "button", text: `Show ${whereOf(near)}`, on: { click: () => update({ layer: near.layer, beta: near.beta }) } }));
  byId("removal-advice").replaceChildren(...notes);
}

// The layer and β of a run of this text and measure whose words were removed.
function nearestRemoval() {
  const mine = shownCheckpoints().flatMap((c) => runsOf(state.text, c));
  const known = mine.filter((i) => columns.measure[i] === state.measure && removalOf(i));
  return known.length ? { layer: layerAt(known[0]), beta: betaAt(known[0]) } : null;
}

function removalPanel(run, removal) {
  const gone = goneTokens(removal, run.layout);
  const way = removal.set;
  const p = probabilitiesOf(removal, state.order)[state.step];
  const count = gone.filter(Boolean).length;
  const name = data.checkpoints[run.checkpoint];
  const head = element("header", {}, element("h3", { text: name }),
    element("output", { class: "chip probability", for: "removal-step", text: `p(${className(run.target)}) ${p.toFixed(2)}` }),
    element("span", { class: "chip plain", text: `${count} of ${gone.length} tokens ${HOW[way.removal] ?? way.removal}` }));
  const meter = element("div", { class: "meter", "aria-hidden": "true" }, element("i"));
  meter.firstChild.style.width = `${100 * p}%`;
  return element("article", { class: "panel", dataset: { removal: run.checkpoint } }, head, meter, scrubbedText(run, gone), removalChart(run, removal));
}

function scrubbedText(run, gone) {
  const body = element("div", { class: "text scrubbed", tabindex: 0, role: "group", "aria-label": `The text as ${data.checkpoints[run.checkpoint]} reads it; removed tokens are struck out` });
  let piece = at.piece[run.layout];
  const first = piece;
  for (const [text, word, marked] of segmentsOf(run.layout)) {
    if (word < 0) {
      body.append(gapNode(text, marked));
      continue;
    }
    const tokens = columns.wordTokens[at.word[run.layout] + word];
    const parts = pieces(run, text, word, tokens, piece, (i) => gone[i - first]);
    body.append(...(marked ? [element("span", { class: "marked" }, ...parts)] : parts));
    piece += tokens;
  }
  return body;
}

// The nodes of a word: removed stretches and kept stretches.
function pieces(run, text, word, tokens, start, isGone) {
  const out = [];
  let place = 0;
  for (let i = start; i < start + tokens; i++) {
    const part = text.slice(place, place + columns.pieceLength[i]);
    place += columns.pieceLength[i];
    const tag = isGone(i) ? "del" : "span";
    const last = out[out.length - 1];
    if (last?.tagName.toLowerCase() === tag) last.textContent += part;
    else out.push(element(tag, { class: tag === "del" ? "gone" : "word", text: part }));
  }
  const value = run.scores[word];
  for (const node of out) if (value !== null && node.tagName === "SPAN") paint(node, value);
  return out;
}

function removalChart(run, removal) {
  const way = removal.set;
  const series = way.orders.map((order) => {
    const [name, tone, dash] = ORDERS[order];
    return { name, tone, dash, points: probabilitiesOf(removal, order).map((p, i) => [way.steps[i], p]) };
  });
  return chart({
    title: "This text", note: `${measure().name}${whereOf(run) ? `, ${whereOf(run)}` : ""}`, series, plain: true,
    x: { label: `${way.by === "fraction" ? "share" : "number"} of tokens ${HOW[way.removal] ?? way.removal}`, short: "removed", values: way.steps },
    y: { label: `p(${className(run.target)})`, low: 0, high: 1 }, at: way.steps[state.step],
    onPick: (value) => scrub(way.steps.indexOf(value)),
  });
}

function scrub(step) {
  state.step = step;
  renderRemoval();
}

function setUpRemoval() {
  if (!data.removals.length) {
    byId("removal-controls").hidden = true;
    return;
  }
  byId("removal-step").addEventListener("input", (event) => scrub(Number(event.target.value)));
  const pick = (name) => (value) => {
    state[name] = value;
    renderRemoval();
  };
  radios("removal-orders", "removal-order", ["morf", "lerf"].map((order) => [order, ORDERS[order][0]]), pick("order"));
  radios("removal-ways", "removal-way", ways.map((way, i) => [i, HOW[way] ?? way]), pick("way"));
  byId("removal-ways").hidden = ways.length < 2;
}
