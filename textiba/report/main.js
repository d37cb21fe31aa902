// The controls, and what happens when one of them moves.

function update(changes) {
  if (changes.review !== undefined && changes.review !== state.review) changes = { word: null, ...changes };
  Object.assign(state, changes);
  settle();
  render();
}

function render() {
  const focused = document.activeElement?.closest?.(".text")?.dataset.checkpoint;
  renderControls();
  renderReviews();
  renderPanels();
  renderMaps();
  renderBetas();
  const charts = renderProfile();
  byId("overview").hidden = charts + data.curves.length === 0;
  chooseWord(state.word);
  if (focused !== undefined) document.querySelector(`.text[data-checkpoint="${focused}"]`)?.focus();
  remember();
}

function stepLayer(step) {
  const { layers } = measure();
  const next = layers[layers.indexOf(state.layer) + step];
  if (next !== undefined) update({ layer: next });
}

// Radio buttons are made once; later only which of them is checked changes.
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
  byId("rationale").addEventListener("change", (event) => {
    state.rationale = event.target.checked;
    document.body.classList.toggle("no-rationale", !state.rationale);
  });
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
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
}

let betasOf = null;

function renderControls() {
  const { layers, betas, unit, limit, signed, meaning } = measure();
  for (const input of document.querySelectorAll("#measures input")) input.checked = Number(input.value) === state.measure;
  byId("layer-control").hidden = layers.length < 2;
  const slider = byId("layer");
  Object.assign(slider, { min: 0, max: layers.length - 1, value: layers.indexOf(state.layer) });
  slider.setAttribute("aria-valuetext", `layer ${state.layer}`);
  byId("layer-value").textContent = `${state.layer} of ${layers[0]} to ${layers[layers.length - 1]}`;
  byId("layer-ticks").replaceChildren(...layers.map((_, i) => element("option", { value: i })));
  if (betasOf !== state.measure) {
    for (const label of byId("betas").querySelectorAll("label")) label.remove();
    radios("betas", "beta", betas.map((beta) => [beta, number(beta)]), (beta) => update({ beta }));
    betasOf = state.measure;
  }
  for (const input of document.querySelectorAll("#betas input")) input.checked = Number(input.value) === state.beta;
  byId("betas").hidden = betas.length < 2;
  byId("scale-bar").style.background = `linear-gradient(to right, ${stops().join(", ")})`;
  byId("scale-bar").setAttribute("aria-label", `Colour scale from ${signed ? number(-limit) : 0} to ${number(limit)} ${unit}`);
  byId("scale-low").textContent = signed ? `≤ ${number(-limit)}` : "0";
  byId("scale-middle").textContent = signed ? "0" : "";
  byId("scale-high").textContent = `≥ ${number(limit)}`;
  byId("scale-unit").textContent = meaning;
}

// The list is made once, so that a button that is pressed keeps the focus.
function listReviews() {
  byId("reviews").replaceChildren(...data.reviews.map((review, i) => {
    const verdicts = data.checkpoints.map((name, c) => {
      const run = predictionOf(i, c);
      if (!run || review.gold === null) return null;
      const right = run.predicted === review.gold;
      return element("span", { class: right ? "dot-right" : "dot-wrong", text: right ? "✓" : "✗", title: `${name} predicts ${className(run.predicted)}` });
    });
    const tags = [review.gold === null ? null : className(review.gold), review.kind || null].filter(Boolean).join(" · ");
    return element("li", {}, element("button", {
      type: "button", on: { click: () => update({ review: i }) },
    }, element("span", { class: "tags" }, element("span", { text: tags }), element("span", { class: "verdicts" }, ...verdicts)),
      element("span", { class: "opening", text: review.opening })));
  }));
}

function renderReviews() {
  byId("reviews").querySelectorAll("button").forEach((button, i) => {
    if (i === state.review) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  });
}

// The view in the address, so that it can be shared and survives a reload.
function remember() {
  const parts = { review: state.review + 1, measure: measure().method, layer: state.layer, beta: state.beta };
  const hash = "#" + Object.entries(parts).filter(([, v]) => v !== null).map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join("&");
  if (hash !== location.hash) history.replaceState(null, "", hash);
}

function recall() {
  const view = new URLSearchParams(location.hash.slice(1));
  const review = Number(view.get("review")) - 1;
  if (data.reviews[review]) state.review = review;
  const index = data.measures.findIndex((m) => m.method === view.get("measure"));
  if (index >= 0) state.measure = index;
  for (const axis of ["layer", "beta"]) if (view.has(axis)) state[axis] = Number(view.get(axis));
  return view.size > 0;
}

const signed = data.measures.findIndex((m) => m.signed);
state.measure = signed >= 0 ? signed : 0;
recall();
setUp();
listReviews();
renderCurves();
update({});
