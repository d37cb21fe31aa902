"""The cost of a path over β against one value of β; and the losses at the end of the path and of cold starts."""

from statistics import fmean

from benchmarks.plan import Plan
from benchmarks.report import Bar, Table
from benchmarks.subjects import Subject, texts_of
from benchmarks.timing import in_turns, ratios
from textiba import Attribution, Method, PerSampleBottleneck, stream, sweep_grid
from textiba.attribution import BitsDetails

BETAS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
ON_THE_PATH = PerSampleBottleneck(steps=4, learning_rate=1.5)
MOST = 2.0


def path_over_betas(subject: Subject, plan: Plan) -> tuple[Table, list[Bar]]:
    """The cost of the path relative to the default at one β, and its losses beside those of cold starts (bar f)."""
    texts = texts_of(subject.model, plan.tokens, plan.swept)
    cold, path = sweep_grid(PerSampleBottleneck(), betas=BETAS), sweep_grid(ON_THE_PATH, betas=BETAS, path=True)
    found: dict[str, list[Attribution]] = {}

    def run(name: str, methods: list[Method]) -> None:
        found[name] = [a for _, a in stream(subject.model, methods, texts, subject.statistics)]

    run("one", cold[2:3])
    works = {"one": cold[2:3], "path": path, "cold": cold}
    times = in_turns({name: (lambda _, n=name, m=methods: run(n, m)) for name, methods in works.items()}, plan.rounds)
    bar = Bar(f"{subject.name}: a path over {len(BETAS)} values of β against one value", "at most", MOST,
              ratios(times.of["path"], times.of["one"]))  # fmt: skip
    rows = [(f"{b:g}", *(f"{_loss(found[name], b):.3f}" for name in ("cold", "path"))) for b in BETAS]
    note = (
        f"Loss, nats, mean over {plan.swept} texts: {PerSampleBottleneck().steps} cold steps at each β, and the path "
        f"with {ON_THE_PATH.steps} steps at each."
    )
    return Table(f"{subject.name}: a path over β", note, ("β", "cold", "on the path"), rows, {}), [bar]


def _loss(found: list[Attribution], beta: float) -> float:
    return fmean(a.details.loss for a in found if a.settings["beta"] == beta and isinstance(a.details, BitsDetails))
