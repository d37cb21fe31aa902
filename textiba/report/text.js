// The chosen review: highlighted on every checkpoint, as maps of cells, and word by word.

// Segments in runs without white space between them, so that lines break only where the text allows it.
function runsOfText(layout) {
  const out = [[]];
  for (const [text, word, marked] of layout) {
    if (word >= 0) {
      out[out.length - 1].push({ text, word, marked });
      continue;
    }
    for (const part of text.split(/(\s+)/)) {
      if (part === "") continue;
      if (/^\s/.test(part)) out.push([{ text: part.includes("\n") ? "\n" : " ", word: null, marked }], []);
      else out[out.length - 1].push({ text: part, word: null, marked });
    }
  }
  return out.filter((run) => run.length);
}

function renderPanels() {
  const shown = shownCheckpoints();
  byId("panels").replaceChildren(...shown.filter((c) => findRun(c)).map(panel));
  byId("absent").replaceChildren(...shown.filter((c) => !findRun(c)).map(missing));
}

function panel(checkpoint) {
  const run = findRun(checkpoint);
  const head = panelHead(checkpoint, run);
  const body = element("div", {
    class: "text", role: "listbox", tabindex: 0, dataset: { checkpoint },
    "aria-label": `Words on ${data.checkpoints[checkpoint]}; arrow keys choose`,
    on: { keydown: onWordKey, focus: () => state.word ?? chooseWord(0) },
  });
  for (const [text, word, marked] of data.layouts[run.layout]) body.append(word >= 0 ? wordNode(run, text, word, marked) : gapNode(text, marked));
  const cut = data.reviews[state.review].cut;
  if (cut) body.append(element("span", { class: "cut", text: ` (cut here for the model: ${cut} tokens carry no score)` }));
  return element("article", { class: "panel" }, head, body, element("p", { class: "sum", text: sumOf(run) }));
}

function gapNode(text, marked) {
  return marked ? element("span", { class: "marked", text }) : document.createTextNode(text);
}

function wordNode(run, text, word, marked) {
  const value = run.scores[word];
  const node = element("span", { class: marked ? "word marked" : "word", role: "option", text, dataset: { word } });
  if (value === null) return node;
  const ground = colorOf(value);
  node.style.backgroundColor = css(ground);
  node.style.color = inkOn(ground);
  node.setAttribute("aria-label", `${text}, ${score(value)}`);
  return node;
}

function panelHead(checkpoint, run) {
  const head = element("header", {}, element("h3", { text: data.checkpoints[checkpoint] }));
  const gold = data.reviews[state.review].gold;
  const right = gold === null ? "" : run.predicted === gold ? " right" : " wrong";
  const mark = { " right": " ✓", " wrong": " ✗", "": "" }[right];
  const same = run.target === run.predicted;
  head.append(element("span", { class: `chip${right}`, text: `predicts ${className(run.predicted)}${same ? ` ${run.probability.toFixed(2)}` : ""}${mark}` }));
  if (gold !== null) head.append(element("span", { class: "chip plain", text: `gold ${className(gold)}` }));
  if (!same) head.append(element("span", { class: "chip plain", text: `explains ${className(run.target)}, p ${run.probability.toFixed(2)}` }));
  return head;
}

function missing(checkpoint) {
  const near = nearestRun(checkpoint);
  const here = [state.layer === null ? null : `layer ${state.layer}`, state.beta === null ? null : `β ${number(state.beta)}`].filter(Boolean).join(", ");
  const note = element("p", { class: "empty", text: `${data.checkpoints[checkpoint]} was not computed at ${here || "this setting"}. ` });
  if (near) {
    const where = [near.layer === null ? null : `layer ${near.layer}`, near.beta === null ? null : `β ${number(near.beta)}`].filter(Boolean).join(", ");
    note.append(element("button", { type: "button", text: `Show ${where}`, on: { click: () => update({ layer: near.layer, beta: near.beta }) } }));
  }
  return note;
}

function sumOf(run) {
  const parts = [`All words: ${score(run.total)}`];
  if (run.kept !== undefined) parts.push(`p(${className(run.target)}) kept at ${number(run.kept)}${run.converged ? "" : ", not yet settled"}`);
  if (run.opened !== undefined) parts.push(`log p(${className(run.target)}) from ${number(run.closed)} closed to ${number(run.opened)} open`);
  return parts.join(" · ");
}

// A map: a column of cells above each word, one for each run, the first at the bottom.
function cellMap(checkpoint, along, axis, name) {
  const layout = data.layouts[along[0].layout];
  const body = element("div", { class: "map", dataset: { axis } });
  body.append(columnOf("", along, (run) => element("span", { class: "cell-label", text: name(run) }), axis));
  for (const run of runsOfText(layout)) {
    if (run.length === 1 && run[0].word === null && /^\s$/.test(run[0].text)) {
      body.append(run[0].text === "\n" ? element("br") : " ");
      continue;
    }
    const group = element("span", { class: "together" });
    for (const piece of run) {
      if (piece.word === null) group.append(gapNode(piece.text, piece.marked));
      else group.append(columnOf(piece.text, along, (r) => cell(r, piece.word, name(r)), axis, piece));
    }
    body.append(group);
  }
  const label = `${data.checkpoints[checkpoint]}: scores of every word by ${axis}; the review above gives them in words`;
  return element("article", { class: "panel" }, element("header", {}, element("h3", { text: data.checkpoints[checkpoint] })),
    element("div", { role: "img", "aria-label": label }, body));
}

function columnOf(text, along, make, axis, piece = null) {
  const column = element("span", { class: "column" });
  for (const run of [...along].reverse()) {
    const node = make(run);
    if (run[axis] === state[axis]) node.classList.add("chosen");
    column.append(node);
  }
  column.append(element("span", { class: piece?.marked ? "marked" : "", text: text || "\u00a0" }));
  if (piece) column.dataset.word = piece.word;
  return column;
}

function cell(run, word, name) {
  const value = run.scores[word];
  const node = element("span", { class: "cell", title: `${name}: ${score(value)}`, dataset: { layer: run.layer ?? "", beta: run.beta ?? "" } });
  if (value !== null) node.style.backgroundColor = css(colorOf(value));
  return node;
}

function onMapClick(event) {
  const column = event.target.closest(".column[data-word]");
  if (!column) return;
  const target = event.target.closest(".cell");
  const changes = { word: Number(column.dataset.word) };
  if (target) Object.assign(changes, { layer: target.dataset.layer === "" ? null : Number(target.dataset.layer), beta: target.dataset.beta === "" ? null : Number(target.dataset.beta) });
  update(changes);
}

function renderMaps() {
  const maps = shownCheckpoints().map((c) => [c, runsAlong("layer", c)]).filter(([, along]) => along.length > 1);
  byId("maps").replaceChildren(...maps.map(([c, along]) => cellMap(c, along, "layer", (run) => `layer ${run.layer}`)));
  byId("map-title").parentElement.hidden = maps.length === 0;
}

// Words: chosen by pointer or key, the same one in every panel.
function chooseWord(word) {
  state.word = word;
  for (const node of document.querySelectorAll("[data-word]")) {
    const chosen = Number(node.dataset.word) === word;
    node.classList.toggle("active", chosen);
    if (node.getAttribute("role") === "option") node.setAttribute("aria-selected", String(chosen));
  }
  renderInspector();
}

function onWordKey(event) {
  const count = findRun(Number(event.currentTarget.dataset.checkpoint)).scores.length;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const climb = { ArrowUp: 1, ArrowDown: -1 }[event.key];
  const jump = { Home: 0, End: count - 1 }[event.key];
  if (step) chooseWord(Math.min(count - 1, Math.max(0, (state.word ?? -step) + step)));
  else if (jump !== undefined) chooseWord(jump);
  else if (climb) stepLayer(climb);
  else return;
  event.preventDefault();
}

function renderInspector() {
  const inspector = byId("inspector");
  const found = shownCheckpoints().map((c) => [c, findRun(c)]).filter(([, run]) => run && state.word !== null && state.word < run.scores.length);
  if (!found.length) {
    inspector.replaceChildren(element("p", { class: "hint", text: "Point at a word, or press Tab and the arrow keys, for its exact values over the layers." }));
    return;
  }
  const text = data.layouts[found[0][1].layout].find(([, word]) => word === state.word)?.[0] ?? "";
  const lines = found.map(([c, run]) => [c, run, runsAlong("layer", c).map((r) => [r.layer, r.scores[state.word] ?? 0])]);
  const values = [0, ...lines.flatMap(([, , points]) => points.map((p) => p[1]))];
  const bounds = { low: Math.min(...values), high: Math.max(...values), ...measure() };
  inspector.replaceChildren(element("b", { class: "chosen-word", text }), ...lines.map(([c, run, points]) => {
    const value = run.scores[state.word];
    const rank = run.scores.filter((v) => Math.abs(v) > Math.abs(value)).length + 1;
    const swatch = element("i", { class: "swatch" });
    swatch.style.backgroundColor = css(colorOf(value ?? 0));
    return element("div", { class: "reading" },
      element("span", { class: "name", text: data.checkpoints[c] }),
      element("span", { class: "value" }, swatch, score(value)),
      element("span", { class: "rank", text: `rank ${rank} of ${run.scores.length} by size` }),
      points.length > 1 ? sparkline(points, state.layer, bounds) : null);
  }));
}
