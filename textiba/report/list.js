// The list of texts with search, filters and order, and the words that misled a model.

const TOP = 12;
const items = []; // one list item for each text, made once
const searched = data.texts.map(({ text, id, kind }) => `${text}\n${id}\n${kind}`.toLowerCase());

function opening(text) {
  const words = text.split(/\s+/).filter(Boolean);
  return (words.slice(0, 9).join(" ") + (words.length > 9 ? " …" : "")).slice(0, 90);
}

function listItem(text, i) {
  const verdicts = data.checkpoints.map((name, c) => {
    const verdict = verdictOf(i, c);
    if (!verdict || verdict.right === null) return null;
    const says = `${name} predicts ${className(verdict.predicted)}`;
    return element("span", { class: verdict.right ? "dot-right" : "dot-wrong", role: "img", "aria-label": `${says}, ${verdict.right ? "right" : "wrong"}`, text: verdict.right ? "✓" : "✗", title: says });
  });
  const tags = [text.gold === null ? null : className(text.gold), text.kind || null].filter(Boolean).join(" · ");
  return element("li", {}, element("button", { type: "button", tabindex: -1, on: { click: () => update({ text: i }), keydown: onListKey } },
    element("span", { class: "tags" }, element("span", { text: tags }), element("span", { class: "verdicts" }, ...verdicts)),
    element("span", { class: "opening", text: opening(text.text) }), element("span", { class: "misled" })));
}

// The arrow keys go from text to text, so the Tab key leaves the list in one step.
function onListKey(event) {
  const buttons = [...byId("texts").querySelectorAll("button")];
  const here = buttons.indexOf(event.currentTarget);
  const next = { ArrowUp: here - 1, ArrowDown: here + 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (next === undefined || !buttons[next]) return;
  event.preventDefault();
  buttons[next].click();
  buttons[next].focus();
}

function isShown(i) {
  if (state.search && !searched[i].includes(state.search.toLowerCase())) return false;
  const verdict = verdictOf(i, state.judge);
  if (state.show === "wrong") return verdict?.right === false;
  if (state.show === "right") return verdict?.right === true;
  if (state.show === "differ") return new Set(data.checkpoints.map((_, c) => verdictOf(i, c)?.predicted).filter((v) => v !== undefined)).size > 1;
  return true;
}

// The probability that the model gives to the wrong class, 0 … 1 (of two classes).
function errorOf(i) {
  const verdict = verdictOf(i, state.judge);
  if (!verdict || verdict.right === null || verdict.confidence === null) return -1;
  return verdict.right ? 1 - verdict.confidence : verdict.confidence;
}

const SORTS = {
  run: null,
  label: (i) => data.texts[i].gold ?? Infinity,
  sure: (i) => -(verdictOf(i, state.judge)?.confidence ?? -1),
  unsure: (i) => verdictOf(i, state.judge)?.confidence ?? 2,
  error: (i) => -errorOf(i),
};

function arrange() {
  const rank = SORTS[state.sort];
  const shown = items.map((_, i) => i).filter(isShown);
  if (rank) {
    const ranks = new Map(shown.map((i) => [i, rank(i)]));
    shown.sort((a, b) => ranks.get(a) - ranks.get(b) || a - b);
  }
  byId("texts").replaceChildren(...shown.map((i) => items[i]));
  byId("found").textContent = `${shown.length} of ${items.length} texts`;
  return shown;
}

function setUpTexts() {
  items.push(...data.texts.map(listItem));
  const labelled = data.texts.some((text) => text.gold !== null);
  for (const option of document.querySelectorAll("#show option, #sort option")) {
    const needless = (option.value === "differ" && data.checkpoints.length < 2) || (!labelled && ["wrong", "right", "error", "label"].includes(option.value));
    if (needless) option.remove();
  }
  byId("judge").append(...data.checkpoints.map((name, i) => element("option", { value: i, text: name })));
  byId("judge-control").hidden = data.checkpoints.length < 2;
  byId("search").addEventListener("input", (event) => choose({ search: event.target.value.trim() }));
  byId("sort").addEventListener("change", (event) => choose({ sort: event.target.value }));
  byId("show").addEventListener("change", (event) => choose({ show: event.target.value }));
  byId("judge").addEventListener("change", (event) => choose({ judge: Number(event.target.value) }));
  arrange();
}

// If the chosen text is filtered out, the first text of the list is chosen instead.
function choose(changes) {
  Object.assign(state, changes);
  const shown = arrange();
  byId("texts").scrollTop = 0;
  if (shown.length && !shown.includes(state.text)) update({ text: shown[0] });
  else renderTexts();
}

function renderTexts() {
  items.forEach((item, i) => {
    const button = item.firstChild;
    if (i === state.text) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    button.tabIndex = i === state.text ? 0 : -1;
    const run = state.show === "wrong" ? judgedRun(i) : undefined;
    const words = run ? misleading(run).slice(0, 4).map(([text]) => text).join(", ") : "";
    button.lastChild.textContent = words && `misled by ${words}`;
  });
  const first = byId("texts").querySelector("button");
  if (first && !items[state.text].isConnected) first.tabIndex = 0;
  renderMisled();
}

function judgedRun(text, checkpoint = state.judge) {
  return verdictOf(text, checkpoint)?.right === false ? findRun(checkpoint, { text }) ?? nearestRun(checkpoint, text) : undefined;
}

// The words that spoke for a wrong prediction, the strongest first. Unsigned scores have no direction: then the words
// that the model used most.
function misleading(run) {
  if (!measure().signed && run.target !== run.predicted) return [];
  const sign = run.target === run.predicted ? 1 : -1;
  return segmentsOf(run.layout)
    .filter(([text, word]) => word >= 0 && /[\p{L}\p{N}]/u.test(text))
    .map(([text, word]) => [text, sign * (run.scores[word] ?? 0)])
    .filter(([, value]) => value > 0)
    .sort((a, b) => b[1] - a[1]);
}

function misledLine(run) {
  const { gold } = data.texts[run.text];
  if (gold === null || run.predicted === gold) return null;
  const words = misleading(run).slice(0, 6);
  if (!words.length) return null;
  const intro = measure().signed ? `Misled to ${className(run.predicted)} by ` : `Wrongly ${className(run.predicted)}; it used most `;
  return element("p", { class: "misled" }, intro, ...words.flatMap(([text, value], i) => [i ? ", " : "", element("b", { text }), ` ${number(value, measure().signed)}`]), ` ${measure().unit}`);
}

function renderMisled() {
  const section = byId("misled-section");
  section.hidden = state.show !== "wrong";
  if (section.hidden) return;
  byId("misled-tables").replaceChildren(...shownCheckpoints().map(misledTable));
  byId("misled-hint").textContent = measure().signed
    ? "Evidence for the wrong class, summed over the texts that a checkpoint gets wrong, at the chosen layer or the nearest computed layer. Choose a word to search for it."
    : "The words that the wrong predictions used most, summed over the texts that a checkpoint gets wrong; bits have no direction, evidence has.";
}

function misledTable(checkpoint) {
  const wrong = data.texts.map((_, i) => judgedRun(i, checkpoint)).filter(Boolean);
  const judged = data.texts.filter((_, i) => typeof verdictOf(i, checkpoint)?.right === "boolean").length;
  const sums = new Map();
  for (const run of wrong) {
    const here = new Set();
    for (const [text, value] of misleading(run)) {
      const word = text.toLowerCase();
      const entry = sums.get(word) ?? { value: 0, texts: 0 };
      sums.set(word, { value: entry.value + value, texts: entry.texts + (here.has(word) ? 0 : 1) });
      here.add(word);
    }
  }
  const top = [...sums].sort((a, b) => b[1].value - a[1].value).slice(0, TOP);
  const rows = top.map(([word, { value, texts }]) => element("tr", {},
    element("th", { scope: "row" }, element("button", { type: "button", text: word, on: { click: () => searchFor(word) } })),
    element("td", { text: number(value, measure().signed) }), element("td", { text: String(texts) })));
  const head = element("tr", {}, ...["word", measure().unit, "texts"].map((text) => element("th", { scope: "col", text })));
  return element("article", { class: "panel" }, element("h3", { text: data.checkpoints[checkpoint] }),
    element("p", { class: "sum", text: `wrong on ${wrong.length} of ${judged} texts` }),
    rows.length ? element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": `Words that misled ${data.checkpoints[checkpoint]}` }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows))) : null);
}

function searchFor(word) {
  byId("search").value = word;
  choose({ search: word });
}
