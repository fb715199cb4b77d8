"""The auxiliary term in the training loop: its size, the cells that have it, and that weight 0 is no term."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bench.config.request import make_request
from bench.errors import UserError
from bench.jobs import CellJob
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.training.network import Network
from methods.auxiliary import SimCSE
from tests.helpers.encoders import FAMILIES, make_encoder

Run = Callable[..., Plan]


def jobs_of(encoder: Path, term: str | None, methods: str = "ce,dimp,co-teaching") -> dict[str, CellJob]:
    """The jobs of a grid with a term, by label; checkers under the name of their method."""
    settings = {} if term is None else {"auxiliary": term}
    plan = make_plan(
        make_request(methods=methods, encoder=str(encoder), preset="smoke", seeds=1, settings=settings),
        encoder / "runs",
    )
    jobs = [job for job in plan.jobs.values() if isinstance(job, CellJob)]
    return {plan.cells.get(job.id, f"checker {job.spec.method}"): job for job in jobs}


def test_a_term_is_in_every_cell_and_in_no_checker(tiny_encoder: Path) -> None:
    plain, with_term = jobs_of(tiny_encoder, None), jobs_of(tiny_encoder, "simcse")
    assert set(plain) == set(with_term)
    same = {label for label in plain if plain[label].spec.id == with_term[label].spec.id}
    assert same == {"checker real-only"}
    assert with_term["ce"].spec.settings["auxiliary"] == "simcse"
    assert "auxiliary" not in plain["ce"].spec.settings


@pytest.mark.parametrize("term", ["simcse(weight=0)", "simcse(weight=0.0,temperature=0.1)", "none"])
def test_weight_0_is_the_same_cell(term: str, tiny_encoder: Path) -> None:
    """Not just the same numbers: the same id, so nothing is trained again."""
    plain, with_term = jobs_of(tiny_encoder, None), jobs_of(tiny_encoder, term)
    assert {label: job.spec.id for label, job in plain.items()} == {
        label: job.spec.id for label, job in with_term.items()
    }


def test_a_term_has_one_spelling(tiny_encoder: Path) -> None:
    """Defaults and the order of settings do not change the cell."""
    first = jobs_of(tiny_encoder, "simcse(temperature=0.1, weight=0.1)")["ce"].spec
    assert first.settings["auxiliary"] == "simcse(temperature=0.1)"
    assert first.id == jobs_of(tiny_encoder, "simcse(temperature=1e-1)")["ce"].spec.id


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("simces", "simcse"),
        ("simcse(weigth=1)", "weight"),
        ("simcse(weight=-1)", "weight must lie in"),
        ("simcse(views=three)", "passes, dropout"),
    ],
)
def test_a_wrong_term_is_an_error(term: str, message: str, tiny_encoder: Path) -> None:
    with pytest.raises(UserError, match=message):
        jobs_of(tiny_encoder, term)


@pytest.mark.parametrize(("term", "passes"), [("simcse", 2), ("simcse(views=dropout)", 1)])
def test_the_term_is_added_and_counted(term: str, passes: int, run_here: Run) -> None:
    """With an untrained head the term adds about weight times log B to the first loss. A second pass is counted."""

    def first(settings: dict[str, str]) -> tuple[float, int]:
        plan = run_here(methods="ce", settings=settings)
        (folder,) = [job.folder for job in plan.jobs.values() if isinstance(job, CellJob)]
        history = (folder / "history.jsonl").read_text().splitlines()
        return json.loads(history[0])["loss"], json.loads((folder / "timing.json").read_text())["passes"]["train_rows"]

    plain, rows = first({})
    with_term, passed = first({"auxiliary": term})
    assert 0.02 < (with_term - plain) / torch.tensor(8.0).log() < 0.2
    assert passed == passes * rows


@pytest.mark.parametrize("method", ["rho(pool=4)", "supergen-filter"])
def test_rows_that_are_left_out_do_not_shrink_the_term(
    method: str, run_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The update descends the method's loss plus the term, however many rows of the batch are passed."""

    def losses(settings: dict[str, str]) -> list[float]:
        plan = run_here(methods=method, settings=settings)
        (folder,) = [plan.jobs[identity].folder for identity in plan.cells]
        return [json.loads(line)["loss"] for line in (folder / "history.jsonl").read_text().splitlines()]

    def constant(term: SimCSE, features: torch.Tensor, again: object, seed: int) -> torch.Tensor:
        return 0 * features.sum() + 3.0

    monkeypatch.setattr(SimCSE, "term", constant)
    assert losses({"auxiliary": "simcse"}) == pytest.approx([loss + 3.0 for loss in losses({})], abs=1e-5)


@pytest.mark.parametrize("term", ["simcse", "simcse(views=dropout)"])
def test_each_network_has_masks_of_its_own(term: str, run_here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    plain = SimCSE.term

    def watched(own: SimCSE, features: torch.Tensor, again: Callable[[], torch.Tensor], seed: int) -> torch.Tensor:
        seeds.append(seed)
        return plain(own, features, again, seed)

    monkeypatch.setattr(SimCSE, "term", watched)
    run_here(methods="co-teaching", settings={"auxiliary": term})
    assert len(set(seeds)) == len(seeds) == 2 * 8


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_features_make_the_logits(family: str, tmp_path: Path) -> None:
    """The term contrasts the inputs of the head's last layer, in every family of encoders."""
    from accelerate import Accelerator

    from bench.encoders.checkpoints import find
    from bench.encoders.classifier import Classifier
    from tests.bench.training.test_probe import rows

    classifier = Classifier(find(str(make_encoder(tmp_path / family, family))), 3, 1)
    network = Network(classifier, Accelerator(), 0, part=8)
    classifier.train()
    table = rows([0, 1, 2, 3], 0).table
    log_probs, features = network.encoded(table, torch.arange(4).numpy())
    assert features.shape == (4, 32)
    torch.testing.assert_close(classifier.output(features).log_softmax(1), log_probs)
    assert not classifier.output._forward_pre_hooks
