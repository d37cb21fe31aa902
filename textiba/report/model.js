// The data, the state of the view, and functions that read both. Nothing here changes the page.

const data = JSON.parse(document.getElementById("data").textContent);
const columns = await unpack(data.packed);
delete data.packed;

const layoutCount = data.layouts.text.length;
const at = {
  segment: starts(data.layouts.segments),
  word: starts(data.layouts.words),
  score: starts(Array.from(columns.layout, (layout) => data.layouts.words[layout])),
  step: starts(columns.steps),
};
at.piece = starts(Array.from({ length: layoutCount }, (_, i) => columns.wordTokens.subarray(at.word[i], at.word[i + 1]).reduce((a, b) => a + b, 0)));

const state = {
  text: 0,
  measure: 0,
  layer: null,
  beta: null,
  word: null,
  rationale: true,
  hidden: new Set(),
  order: "morf",
  way: 0,
  step: 0,
  search: "",
  sort: "run",
  show: "all",
  judge: 0,
};

const measure = () => data.measures[state.measure];
const layerAt = (i) => (columns.layer[i] < 0 ? null : columns.layer[i]);
const betaAt = (i) => (columns.beta[i] < 0 ? null : data.betas[columns.beta[i]]);
const textAt = (i) => data.layouts.text[columns.layout[i]];
const keyOf = (text, checkpoint, index, layer, beta) => `${text}|${checkpoint}|${index}|${layer}|${beta}`;

// The number of the run at a place (text, checkpoint, measure, layer, β), and all runs of a text and checkpoint.
const places = new Map();
const ofText = new Map();
for (let i = 0; i < columns.layout.length; i++) {
  const [text, checkpoint] = [textAt(i), columns.checkpoint[i]];
  places.set(keyOf(text, checkpoint, columns.measure[i], layerAt(i), betaAt(i)), i);
  const pair = `${text}|${checkpoint}`;
  if (!ofText.has(pair)) ofText.set(pair, []);
  ofText.get(pair).push(i);
}

const finite = (value) => (Number.isFinite(value) ? value : undefined);

// Runs are built from the columns lazily.
const made = new Map();
function runAt(i) {
  if (i === undefined) return undefined;
  if (!made.has(i)) {
    const scores = restored(columns.score, at.score[i], at.score[i + 1], columns.step[i]);
    made.set(i, {
      index: i, text: textAt(i), checkpoint: columns.checkpoint[i], measure: columns.measure[i],
      layer: layerAt(i), beta: betaAt(i), layout: columns.layout[i],
      target: columns.target[i], predicted: columns.predicted[i], probability: columns.probability[i],
      total: columns.total[i], kept: finite(columns.kept[i]), converged: columns.converged[i] === 1,
      closed: finite(columns.closed[i]), opened: finite(columns.opened[i]),
      scores, largest: Math.max(...scores.map(Math.abs)),
    });
  }
  return made.get(i);
}

// The run that the state names, or the run at the state with `changes`.
function findRun(checkpoint, changes = {}) {
  const { text, measure: index, layer, beta } = { ...state, ...changes };
  return runAt(places.get(keyOf(text, checkpoint, index, layer, beta)));
}

const runsOf = (text, checkpoint) => ofText.get(`${text}|${checkpoint}`) ?? [];

// The run of a text that is nearest to the chosen layer and β, to offer where nothing was computed there.
function nearestRun(checkpoint, text = state.text) {
  const distance = (i) => Math.abs((layerAt(i) ?? 0) - (state.layer ?? 0)) + (betaAt(i) === state.beta ? 0 : 0.5);
  const mine = runsOf(text, checkpoint).filter((i) => columns.measure[i] === state.measure);
  return runAt(mine.sort((a, b) => distance(a) - distance(b))[0]);
}

// The prediction of a checkpoint for a text, which is the same in all runs.
const verdicts = new Map();
function verdictOf(text, checkpoint) {
  const pair = `${text}|${checkpoint}`;
  if (!verdicts.has(pair)) {
    const i = runsOf(text, checkpoint)[0];
    verdicts.set(pair, i === undefined ? null : verdictAt(i, data.texts[text].gold));
  }
  return verdicts.get(pair);
}

// Confidence is the predicted class's probability. With more than two classes it is known only if that class was explained.
function verdictAt(i, gold) {
  const [target, predicted, p] = [columns.target[i], columns.predicted[i], columns.probability[i]];
  const confidence = target === predicted ? p : data.labels.length === 2 ? 1 - p : null;
  return { predicted, confidence, right: gold === null ? null : predicted === gold };
}

const shownCheckpoints = () => data.checkpoints.map((_, i) => i).filter((i) => !state.hidden.has(i));

// The runs of the chosen text along one axis ("layer" or "beta"), with everything else as chosen.
function runsAlong(axis, checkpoint) {
  return measure()[`${axis}s`].map((value) => findRun(checkpoint, { [axis]: value })).filter(Boolean);
}

// The layer or β at which a measure has the most runs, where the page starts; of several the middle one.
function mostCommon(index, read, values) {
  const counts = new Map(values.map((value) => [value, 0]));
  for (let i = 0; i < columns.measure.length; i++) {
    if (columns.measure[i] === index && read(i) !== null) counts.set(read(i), counts.get(read(i)) + 1);
  }
  const most = Math.max(...counts.values());
  const best = values.filter((value) => counts.get(value) === most);
  return best[Math.floor((best.length - 1) / 2)] ?? null;
}

// Keeps the chosen layer and β if the measure has them, and takes the measure's most common ones otherwise.
function settle() {
  const { layers, betas } = measure();
  if (!layers.includes(state.layer)) state.layer = mostCommon(state.measure, layerAt, layers);
  if (!betas.includes(state.beta)) state.beta = mostCommon(state.measure, betaAt, betas);
}

// The segments of a layout as [text, word or -1, marked], built lazily.
const cutTexts = new Map();
function segmentsOf(layout) {
  if (!cutTexts.has(layout)) {
    const { text } = data.texts[data.layouts.text[layout]];
    const out = [];
    let [place, word] = [0, 0];
    for (let s = at.segment[layout]; s < at.segment[layout + 1]; s++) {
      const [end, kind] = [place + columns.segmentLength[s], columns.segmentKind[s]];
      out.push([text.slice(place, end), kind & 1 ? word++ : -1, (kind & 2) > 0]);
      place = end;
    }
    cutTexts.set(layout, out.filter(([part]) => part !== ""));
  }
  return cutTexts.get(layout);
}

const wordText = (layout, word) => segmentsOf(layout).find(([, index]) => index === word)?.[0] ?? "";

// The trace of a run's optimisation: [step, cross-entropy in nats, information in bits].
function traceOf(run) {
  const [from, to] = [at.step[run.index], at.step[run.index + 1]];
  const entropy = restored(columns.entropy, from, to, columns.entropyStep[run.index]);
  const bits = restored(columns.bits, from, to, columns.bitsStep[run.index]);
  return entropy.map((value, step) => [step, value, bits[step]]);
}
