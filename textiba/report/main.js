// The controls, and the redrawing of the page when a control changes.

function update(changes) {
  if (changes.text !== undefined && changes.text !== state.text) changes = { word: null, ...changes };
  Object.assign(state, changes);
  settle();
  render();
}

function render() {
  const focused = document.activeElement?.closest?.("[data-checkpoint]")?.dataset.checkpoint;
  renderControls();
  renderTexts();
  renderPanels();
  renderMaps();
  renderRemoval();
  renderBetas();
  renderTrace();
  const charts = renderProfile();
  renderCurves();
  byId("overview").hidden = charts + data.curves.length === 0;
  chooseWord(state.word);
  if (focused !== undefined) document.querySelector(`[data-checkpoint="${focused}"]`)?.focus();
  remember();
}

function stepLayer(step) {
  const { layers } = measure();
  const next = layers[layers.indexOf(state.layer) + step];
  if (next !== undefined) update({ layer: next });
}

// Makes radio buttons once; a redraw only changes which of them is checked.
function radios(id, name, items, pick) {
  const field = byId(id);
  for (const [value, text] of items) {
    const input = element("input", { type: "radio", name, value, on: { change: () => pick(value) } });
    field.append(element("label", { class: "radio" }, input, element("span", { text })));
  }
}

function setUp() {
  radios("measures", "measure", data.measures.map((m, i) => [i, m.name.toLowerCase() === m.unit || m.unit === "score" ? m.name : `${m.name} (${m.unit})`]), (i) => update({ measure: i }));
  byId("measures").hidden = data.measures.length < 2;
  data.checkpoints.forEach((name, i) => {
    const input = element("input", { type: "checkbox", checked: true, on: { change: () => {
      state.hidden[input.checked ? "delete" : "add"](i);
      render();
    } } });
    byId("shown").append(element("label", { class: "check" }, input, element("span", { text: name })));
  });
  byId("shown").hidden = data.checkpoints.length < 2;
  byId("layer").addEventListener("input", (event) => update({ layer: measure().layers[Number(event.target.value)] }));
  byId("beta").addEventListener("input", (event) => update({ beta: measure().betas[Number(event.target.value)] }));
  byId("rationale").closest("label").hidden = !columns.segmentKind.some((kind) => kind & 2);
  byId("rationale").addEventListener("change", (event) => {
    state.rationale = event.target.checked;
    document.body.classList.toggle("no-rationale", !state.rationale);
  });
  for (const id of ["controls", "finder"]) byId(id).addEventListener("submit", (event) => event.preventDefault());
  byId("maps").addEventListener("click", onMapClick);
  byId("beta-maps").addEventListener("click", onMapClick);
  for (const id of ["panels", "maps", "beta-maps"]) {
    byId(id).addEventListener("mouseover", (event) => {
      const node = event.target.closest("[data-word]");
      if (node && Number(node.dataset.word) !== state.word) chooseWord(Number(node.dataset.word));
    });
  }
  darkMode.addEventListener("change", render);
  for (const [name, value] of [["beforeprint", true], ["afterprint", false]]) {
    addEventListener(name, () => {
      printing = value;
      render();
    });
  }
  addEventListener("hashchange", () => recall() && update({}));
  // The list sticks below the controls, whose height depends on how many rows they take.
  new ResizeObserver(([entry]) => document.documentElement.style.setProperty("--controls", `${entry.borderBoxSize[0].blockSize}px`)).observe(byId("controls"));
}

// Draws a slider over a list of values; the slider's own value is a place in the list.
function renderSlider(id, values, value, text) {
  byId(`${id}-control`).hidden = values.length < 2;
  Object.assign(byId(id), { min: 0, max: Math.max(0, values.length - 1), value: values.indexOf(value) });
  byId(id).setAttribute("aria-valuetext", text);
  byId(`${id}-ticks`).replaceChildren(...values.map((_, i) => element("option", { value: i })));
}

function renderControls() {
  const { layers, betas, unit, limit, signed, meaning, outside } = measure();
  for (const input of document.querySelectorAll("#measures input")) input.checked = Number(input.value) === state.measure;
  renderSlider("layer", layers, state.layer, `layer ${state.layer}`);
  byId("layer-value").textContent = `${state.layer} of ${layers[0]} to ${layers[layers.length - 1]}`;
  renderSlider("beta", betas, state.beta, `β ${number(state.beta)}`);
  byId("beta-value").textContent = number(state.beta);
  renderScale();
  byId("scale-bar").setAttribute("aria-label", `Logarithmic colour scale from ${signed ? number(-limit) : 0} to ${number(limit)} ${unit}`);
  byId("scale-unit").textContent = meaning;
  byId("scale-outside").textContent = outside;
}

// Draws the colour scale: its colours from end to end, blank where no score has a colour, and the scores at its ticks.
function renderScale() {
  const { ticks, signed } = measure();
  const cells = Array.from({ length: 100 }, (_, i) => {
    const place = (i + 0.5) / 100;
    const blank = signed ? Math.abs(2 * place - 1) < data.strengths[0] : place < data.strengths[0];
    const color = css(colorAt(blank ? (signed ? 0.5 : 0) : place));
    return `${color} ${i}% ${i + 1}%`;
  });
  byId("scale-bar").style.background = `linear-gradient(to right, ${cells.join(", ")})`;
  const [first, last] = [placeOf(ticks[0].size), placeOf(ticks[ticks.length - 1].size)];
  const inside = ticks.slice(1, -1).filter(({ size }) => Math.min(placeOf(size) - first, last - placeOf(size)) > 0.13);
  const sides = [...(signed ? [] : [ticks[0]]), ...inside, ticks[ticks.length - 1]].map(({ size, text }) => [size, text]);
  const all = signed ? [...sides.map(([size, text]) => [-size, `−${text}`]), [0, "0"], ...sides.map(([size, text]) => [size, `+${text}`])] : sides;
  byId("scale-ticks").replaceChildren(...all.map(([size, text]) => {
    const node = element("span", { text });
    node.style.left = `${100 * placeOf(size)}%`;
    return node;
  }));
}

// Writes the view into the address, so that it can be shared and survives a reload.
function remember() {
  const parts = { text: state.text + 1, measure: measure().name, layer: state.layer, beta: state.beta };
  const hash = "#" + Object.entries(parts).filter(([, v]) => v !== null).map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join("&");
  if (hash !== location.hash) history.replaceState(null, "", hash);
}

function recall() {
  const view = new URLSearchParams(location.hash.slice(1));
  const text = Number(view.get("text")) - 1;
  if (data.texts[text]) state.text = text;
  const index = data.measures.findIndex((m) => m.name === view.get("measure"));
  if (index >= 0) state.measure = index;
  for (const axis of ["layer", "beta"]) if (view.has(axis)) state[axis] = Number(view.get(axis));
  return view.size > 0;
}

const signed = data.measures.findIndex((m) => m.signed);
state.measure = signed >= 0 ? signed : 0;
recall();
setUp();
setUpTexts();
setUpRemoval();
renderLeaderboards();
update({});
byId("waiting").remove();
document.body.dataset.drawn = String(Math.round(performance.now())); // milliseconds since the page was requested
