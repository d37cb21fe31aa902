// Maps of cells: every layer, or every β, of the chosen text at once.

// Groups segments that have no white space between them, so that lines break only where the text allows it.
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

// A map: above each word a column of cells, one cell for each run, the first run at the bottom.
function cellMap(checkpoint, along, axis, name) {
  const layout = segmentsOf(along[0].layout);
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
  const label = `${data.checkpoints[checkpoint]}: scores of every word by ${axis}; the text above gives them in words`;
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
  const node = element("span", { class: "cell", title: `${name}: ${score(value, run)}`, dataset: { layer: run.layer ?? "", beta: run.beta ?? "" } });
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
