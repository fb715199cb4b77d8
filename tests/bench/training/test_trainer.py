"""Training a cell: the mathematics of a plain loop, the same rows for all methods, and no state that stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from packaging.version import Version

from bench.config.request import make_request
from bench.jobs import CellJob
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.seeds import derive
from bench.store.folders import forget
from tests.helpers.encoders import make_bert

GOLDEN = Path(__file__).parent / "golden" / "trajectory.json"
Run = Callable[..., Plan]


def cells(plan: Plan) -> dict[str, CellJob]:
    """The cells of a one-seed plan by method label; checkers that are no cells of the grid under `checker <method>`."""
    jobs = [job for job in plan.jobs.values() if isinstance(job, CellJob)]
    return {plan.cells.get(job.id, f"checker {job.spec.method}"): job for job in jobs}


def losses(job: CellJob) -> list[float]:
    """The training loss of each update."""
    return [json.loads(line)["loss"] for line in (job.folder / "history.jsonl").read_text().splitlines()]


def weights(job: CellJob) -> pd.DataFrame:
    """The effective weights of each visit."""
    return pd.read_parquet(job.folder / "weights.parquet")


def test_the_golden_trajectory(run_here: Run) -> None:
    """The losses of a fixed cell. If they change on purpose, raise TRAINER_VERSION and write the file again."""
    from bench.jobs import TRAINER_VERSION

    if Version(transformers.__version__) < Version("5.3"):
        pytest.skip("these versions of transformers draw other heads from a seed")
    result = losses(cells(run_here(methods="dimp"))["dimp"])
    golden = json.loads(GOLDEN.read_text())
    assert golden["trainer_version"] == TRAINER_VERSION
    assert result == pytest.approx(golden["losses"], abs=1e-4)


def test_every_cell_of_a_worker_trains_in_its_precision(
    run_here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process trains the cells one after the other; only the first had bf16 while the model stayed marked."""
    from bench.training.network import Network

    dtypes: dict[int, set[torch.dtype]] = {}
    logits = Network.logits

    def watched(network: Network, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        layer = next(module for module in network.classifier.model.modules() if isinstance(module, torch.nn.Linear))
        seen = dtypes.setdefault(id(network), set())
        handle = layer.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
        try:
            return logits(network, inputs)
        finally:
            handle.remove()

    kept: list[Network] = []  # so that no id is used twice
    begin = Network.__init__
    monkeypatch.setattr(Network, "__init__", lambda self, *given: kept.append(self) or begin(self, *given))
    monkeypatch.setattr(Network, "logits", watched)
    cases = (("bf16", torch.bfloat16), ("no", torch.float32), ("bf16", torch.bfloat16))
    for number, (precision, dtype) in enumerate(cases):
        dtypes.clear()
        root = tmp_path / f"runs{number}"
        run_here(root=root, methods="ce,focal", seeds=2, settings={"precision": precision})
        assert len(dtypes) == 4
        assert set().union(*dtypes.values()) == {dtype}, precision


def test_states_change_nothing(run_here: Run, tmp_path: Path) -> None:
    """The cached states of frozen layers give the losses, weights and predictions of the whole model."""
    job = cells(run_here(methods="dimp"))["dimp"]
    from bench.execution.worker import run_job

    plain = replace(
        job,
        folder=tmp_path / "plain",
        **{name: replace(getattr(job, name), states=None) for name in ("generated", "real", "scored", "test")},
    )
    assert run_job(plain).state == "done"
    assert losses(plain) == pytest.approx(losses(job), abs=1e-5)
    assert weights(plain)["weight"].to_numpy() == pytest.approx(weights(job)["weight"].to_numpy(), abs=1e-5)
    a, b = (pd.read_parquet(folder / "predictions.parquet") for folder in (plain.folder, job.folder))
    assert a.to_numpy() == pytest.approx(b.to_numpy(), abs=1e-5)


def test_a_plain_loop_gives_the_same_losses(tmp_path: Path) -> None:
    """DIMP written out with a whole Hugging Face model, padding to the limit and no caching, dropout off."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from bench.execution.worker import run_job
    from bench.training.batches import schedule
    from tasks import load

    encoder = make_bert(tmp_path / "still", dropout=0.0)
    settings = {"train_layers": "all", "updates": 20}
    plan = make_plan(
        make_request(methods="dimp", encoder=str(encoder), preset="smoke", seeds=1, settings=settings), tmp_path / "r"
    )
    assert all(run_job(job).state == "done" for job in plan.jobs.values())
    job = cells(plan)["dimp"]

    rows = load("twitter").generated_subset(64)
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    inputs = tokenizer(rows.texts, padding="max_length", truncation=True, max_length=32, return_tensors="pt")
    lengths = inputs["attention_mask"].sum(1).numpy()
    table = pd.read_parquet(job.tables["quality"] / "train_scores.parquet").set_index("id").loc[rows.ids]
    labels = torch.tensor(rows.labels)
    quality = torch.tensor(table.to_numpy()).gather(1, labels[:, None]).squeeze(1).exp()
    torch.manual_seed(derive("head", "twitter", 0))
    fresh = torch.nn.Linear(32, 2)
    torch.manual_seed(derive("head", "twitter", 0))
    torch.nn.init.normal_(fresh.weight, std=0.02)
    model = AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=2)
    with torch.no_grad():
        model.classifier.weight.copy_(fresh.weight)
        model.classifier.bias.zero_()
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    expected = []
    for step, (_, index) in enumerate(schedule(lengths, 8, 20, "twitter", 0)):
        at = torch.tensor(index)
        p = model(**{name: value[at] for name, value in inputs.items()}).logits.softmax(-1)
        values = p.gather(1, labels[at, None]).squeeze(1)
        loss = (-(quality[at] / values.detach()) * values.log()).mean()
        expected.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (1 - step / 20)
        optimizer.step()
    assert losses(job) == pytest.approx(expected, abs=1e-5)


def test_methods_of_full_pairing_see_the_same_batches_and_dropout(run_here: Run) -> None:
    jobs = cells(run_here(methods="ce,focal(gamma=0),imp(gamma=0),dimp(gamma=0),superloss,ce-prior"))
    visits = [weights(job)[["id", "epoch"]] for label, job in jobs.items() if not label.startswith("checker")]
    assert all(visit.equals(visits[0]) for visit in visits)
    for same in ("focal(gamma=0.0)", "imp(gamma=0.0)", "dimp(gamma=0.0)"):
        assert losses(jobs[same]) == pytest.approx(losses(jobs["ce"]), abs=1e-6), same
    assert losses(jobs["superloss"]) != losses(jobs["ce"])


def test_imp_weights_are_the_ratio_of_its_checkers(run_here: Run) -> None:
    job = cells(run_here(methods="imp"))["imp"]
    scores = {
        name: pd.read_parquet(folder / "train_scores.parquet").set_index("id") for name, folder in job.tables.items()
    }
    label = dict(zip(job.generated.ids, job.generated.labels, strict=True))
    for _, visit in weights(job).iterrows():
        column = f"logp_{label[visit['id']]}"
        ratio = np.exp(scores["quality"].loc[visit["id"], column] - scores["diversity"].loc[visit["id"], column])
        assert visit["weight"] == pytest.approx(ratio, rel=1e-4)


def test_checkers_are_the_references_trained_once(run_here: Run) -> None:
    """ce, imp, dimp, quality-only and real-only are five trainings: the checkers are two of them."""
    plan = run_here(methods="ce,imp,dimp,quality-only,real-only", seeds=2)
    trained = [job for job in plan.jobs.values() if isinstance(job, CellJob)]
    assert len(trained) == 2 * 5
    assert not (plan.root / ".artefacts" / "checker").exists()
    alone = run_here(methods="dimp", root=plan.root.parent / "alone")
    assert set(cells(alone)) == {"dimp", "checker real-only"}


def test_a_cell_does_not_depend_on_the_cells_before_it(run_here: Run) -> None:
    jobs = cells(run_here(methods="ce,dimp"))
    before = losses(jobs["ce"])
    from bench.execution.worker import run_job

    forget(jobs["ce"].folder)
    assert run_job(jobs["ce"]).state == "done"
    assert losses(jobs["ce"]) == before


def test_only_top_blocks_pooler_and_head_train(tiny_encoder: Path) -> None:
    from bench.encoders.checkpoints import find
    from bench.encoders.classifier import Classifier

    classifier = Classifier(find(str(tiny_encoder)), 3, 1)
    names = set(classifier.trained)
    assert names
    assert all(name.startswith(("bert.encoder.layer.1.", "bert.pooler.", "classifier.")) for name in names)
    classifier.train()
    assert classifier.base.encoder.layer[1].training
    assert not classifier.base.encoder.layer[0].training
    assert not classifier.base.embeddings.dropout.training


def test_a_started_classifier_forgets_what_it_learnt(tiny_encoder: Path) -> None:
    from bench.encoders.checkpoints import find
    from bench.encoders.classifier import Classifier

    classifier = Classifier(find(str(tiny_encoder)), 2, "all")
    classifier.start(1)
    first = {name: weight.clone() for name, weight in classifier.model.named_parameters()}
    with torch.no_grad():
        for weight in classifier.model.parameters():
            weight.add_(1.0)
    classifier.start(1)
    assert all(torch.equal(first[name], weight) for name, weight in classifier.model.named_parameters())
    classifier.start(2)
    changed = [name for name, weight in classifier.model.named_parameters() if not torch.equal(first[name], weight)]
    assert changed == ["classifier.weight"]


def test_real_rows_carry_cross_entropy_and_their_share(run_here: Run) -> None:
    jobs = cells(run_here(methods="ce-mix,quality-only(train_on=both,real_share=0.5)", settings={"updates": "24"}))
    plain = weights(jobs["ce-mix"])
    assert (plain["weight"] == 1).all()
    assert set(plain["role"]) == {"real", "generated"}
    job = jobs["quality-only(train_on=both,real_share=0.5)"]
    shared = weights(job)
    real = shared[shared["role"] == "real"]["weight"]
    assert real.nunique() == 1
    rows = len(job.generated.ids), len(job.real.ids)
    assert real.iloc[0] == pytest.approx(0.5 * sum(rows) / rows[1])


def test_a_loss_that_is_not_finite_fails_with_its_update(tiny_encoder: Path, tmp_path: Path) -> None:
    from bench.execution.worker import run_job

    plan = make_plan(
        make_request(methods="ce", encoder=str(tiny_encoder), preset="smoke", seeds=1, settings={"lr": "1e30"}),
        tmp_path,
    )
    outcomes = [run_job(job) for job in plan.jobs.values()]
    assert outcomes[-1].state == "failed"
    content = json.loads((list(plan.jobs.values())[-1].folder / "error.json").read_text())
    assert content["type"] == "NonFiniteLossError"
    assert "at update" in content["message"]
    assert "weight_mean" in content["message"]


def test_statistics_leave_out_missing_weights() -> None:
    from bench.training.history import weight_statistics

    some = weight_statistics(torch.tensor([1.0, 3.0, float("nan")]))
    assert some == pytest.approx({"weight_mean": 2.0, "weight_max": 3.0, "ess": 16 / 10 / 2})
    assert all(np.isnan(value) for value in weight_statistics(torch.full((3,), torch.nan)).values())
    assert weight_statistics(torch.zeros(3))["ess"] == 0.0


def test_stress_shares_what_it_does_not_touch(tiny_encoder: Path, tmp_path: Path) -> None:
    """A smaller generated set is another ce, but the same real-only; a smaller real set the other way round."""
    request = make_request(
        methods="ce,real-only",
        tasks="twitter,twitter[generated=40],twitter[real=30]",
        encoder=str(tiny_encoder),
        preset="smoke",
        seeds=1,
    )
    plan = make_plan(request, tmp_path)
    assert sorted(plan.cells.values()) == ["ce", "ce", "real-only", "real-only"]
    shared = plan.sections[0]["methods"]
    assert shared[0]["cells"] == plan.sections[2]["methods"][0]["cells"]
    assert shared[1]["cells"] == plan.sections[1]["methods"][1]["cells"]


def test_a_model_broken_by_the_last_update_is_a_failure(tiny_encoder: Path, tmp_path: Path) -> None:
    from bench.execution.worker import run_job

    settings = {"lr": "1e30", "updates": "1"}
    plan = make_plan(
        make_request(methods="ce", encoder=str(tiny_encoder), preset="smoke", seeds=1, settings=settings), tmp_path
    )
    outcome = [run_job(job) for job in plan.jobs.values()][-1]
    assert outcome.state == "failed"
    assert "NonFiniteLossError" in outcome.cause


@pytest.mark.minilm
@pytest.mark.slow
def test_minilm_learns(tmp_path: Path) -> None:
    """The default encoder from its package, its published hash checked, learns tweets in a few updates."""
    from bench.config.settings import MINILM
    from bench.encoders.checkpoints import find, packaged
    from bench.execution.worker import run_job

    path = packaged()
    assert path is not None
    assert find(MINILM).hash == find(str(path)).hash
    plan = make_plan(make_request(methods="ce", seeds=1, settings={"updates": "16", "generated_rows": "200"}), tmp_path)
    outcomes = [run_job(job) for job in plan.jobs.values()]
    assert outcomes[-1].summary["accuracy"] > 0.55
