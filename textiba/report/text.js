// The chosen text, highlighted on every checkpoint, and the readings of the chosen word.

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
  fillBody(body, run);
  const cut = data.layouts.cut[run.layout];
  if (cut) body.append(element("span", { class: "cut", text: ` (cut here for the model: ${cut} tokens carry no score)` }));
  return element("article", { class: "panel", dataset: { panel: checkpoint } }, head, misledLine(run), body, element("p", { class: "sum", text: sumOf(run) }));
}

// The texts of a pair stand beside each other.
function fillBody(body, run) {
  const { second } = data.texts[data.layouts.text[run.layout]];
  const halves = second === null ? [body] : [0, 1].map(() => element("div", { class: "half" }));
  let place = 0;
  for (const [text, word, marked] of segmentsOf(run.layout)) {
    const half = halves[second !== null && place >= second ? 1 : 0];
    if (place + text.length !== second) half.append(word >= 0 ? wordNode(run, text, word, marked) : gapNode(text, marked));
    place += text.length;
  }
  if (second !== null) {
    body.classList.add("pair");
    body.append(...halves);
  }
}

function gapNode(text, marked) {
  return marked ? element("span", { class: "marked", text }) : document.createTextNode(text);
}

function wordNode(run, text, word, marked) {
  const value = run.scores[word];
  const node = element("span", { class: marked ? "word marked" : "word", role: "option", text, dataset: { word } });
  if (value === null) return node;
  paint(node, value);
  node.setAttribute("aria-label", `${text}, ${score(value, run)}`);
  return node;
}

function paint(node, value) {
  const ground = colorOf(value);
  node.style.backgroundColor = css(ground);
  node.style.color = inkOn(ground);
}

function panelHead(checkpoint, run) {
  const head = element("header", {}, element("h3", { text: data.checkpoints[checkpoint] }));
  const gold = data.texts[state.text].gold;
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
  const note = element("p", { class: "empty", text: `${data.checkpoints[checkpoint]} was not computed at ${whereOf(state) || "this setting"}. ` });
  if (near) note.append(element("button", { type: "button", text: `Show ${whereOf(near)}`, on: { click: () => update({ layer: near.layer, beta: near.beta }) } }));
  return note;
}

function sumOf(run) {
  const parts = [`All words: ${score(run.total)}`];
  if (run.kept !== undefined) parts.push(`p(${className(run.target)}) kept at ${number(run.kept)}${run.converged ? "" : ", not yet settled"}`);
  if (run.opened !== undefined) parts.push(`${data.measures[run.measure].output}(${className(run.target)}) from ${number(run.closed)} closed to ${number(run.opened)} open`);
  return parts.join(" · ");
}

// A word is chosen by pointer or key, and is the same in every panel.
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
    inspector.replaceChildren(element("p", { class: "hint", text: "Point at a word, or press Tab and the arrow keys, for its values over the layers." }));
    return;
  }
  const text = wordText(found[0][1].layout, state.word);
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
      element("span", { class: "value" }, swatch, score(value, run)),
      element("span", { class: "rank", text: `rank ${rank} of ${run.scores.length} by size` }),
      points.length > 1 ? sparkline(points, state.layer, bounds) : null);
  }));
}
