"""Shortcuts through encoders: in every family either the logits and gradients of the whole model, or not used."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoConfig, AutoModel

from bench.config.request import make_request
from bench.config.settings import Settings
from bench.encoders import packed as packed_blocks
from bench.encoders.checkpoints import find, fits, positions
from bench.encoders.classifier import Classifier, block_list
from bench.encoders.loading import load
from bench.encoders.packed import Layout, Masks, use_packed
from bench.errors import UserError
from bench.execution.worker import run_job
from bench.jobs import CellJob, StatesJob, TokensJob
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.precomputed.tables import READERS
from bench.store.files import read_json
from tests.helpers.encoders import FAMILIES, make_encoder, make_llama, small

PACKED = {"bert", "roberta", "electra"}


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder of each family, dropout off."""
    return make_encoder(tmp_path_factory.mktemp("family") / request.param, request.param, dropout=0.0)


def gradients(model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Logits, and the gradient of a loss in them with respect to each weight."""
    model.train()
    model.zero_grad()
    logits = model(**inputs).logits
    (logits.log_softmax(-1)[:, 0].exp() * torch.arange(1, len(logits) + 1)).sum().backward()
    return logits.detach(), {name: w.grad.clone() for name, w in model.named_parameters() if w.grad is not None}


@pytest.mark.parametrize("one_dnn", [False, True], ids=["", "tokens-rounded-up"])
@pytest.mark.parametrize("lengths", [(9, 5, 1, 9), (7, 7, 7, 7)])
def test_packed_blocks_give_logits_and_gradients_of_the_whole_model(
    encoder: Path, lengths: tuple[int, ...], one_dnn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_blocks, "one_dnn", lambda: one_dnn)
    model = load(find(str(encoder)), 3).model
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    inputs = {"input_ids": torch.randint(5, 60, mask.shape) * mask, "attention_mask": mask}
    logits, slopes = gradients(model, inputs)
    base = getattr(model, model.base_model_prefix)
    names = set(model.state_dict())
    assert use_packed(base) is (encoder.name in PACKED)
    packed_logits, packed = gradients(model, inputs)
    assert torch.allclose(packed_logits, logits, atol=1e-6)
    assert packed.keys() == slopes.keys()
    assert all(torch.allclose(packed[name], slopes[name], atol=1e-5) for name in slopes)
    assert set(model.state_dict()) == names


def test_in_bf16_the_tokens_of_a_batch_are_a_multiple_of_32() -> None:
    states, mask = torch.randn(5, 9, 4), torch.arange(9)[None] < torch.tensor([[9], [9], [4], [2], [1]])
    assert len(Layout.of(states, mask[:, None, None]).pack(states)) == 25
    with torch.autocast("cpu", torch.bfloat16):
        layout = Layout.of(states, mask[:, None, None])
        whole = Layout.of(states, None)
    assert len(layout.pack(states)) == 32
    assert torch.equal(layout.pad(layout.pack(states)), states * mask[:, :, None])
    assert len(whole.pack(states)) == 64
    assert torch.equal(whole.pad(whole.pack(states)), states)


def test_a_family_with_other_blocks_is_not_packed(tmp_path: Path) -> None:
    model = load(find(str(make_encoder(tmp_path / "bert", "bert"))), 2).model
    encoder = model.bert.encoder
    plain = type(encoder.layer[0].output).forward
    encoder.layer[0].output.forward = lambda states, inputs: 2 * plain(encoder.layer[0].output, states, inputs)
    assert not use_packed(model.bert)
    assert "forward" not in vars(encoder)


def test_masks_drop_the_share_and_keep_the_mean() -> None:
    mask = torch.ones(8, 1, 50, 50, dtype=torch.bool)
    layout = Layout.of(torch.zeros(8, 50, 64), mask)
    torch.manual_seed(0)
    masks = Masks(layout, True, torch.device("cpu"))
    ones = torch.ones(400, 64)
    drawn = torch.stack([masks.drop_tokens(ones, 0.1) for _ in range(40)])
    n = drawn.numel()
    assert drawn.unique().tolist() == pytest.approx([0, 1 / 0.9])
    assert abs((drawn == 0).sum().item() - 0.1 * n) < 5 * (0.09 * n) ** 0.5
    both = ((drawn[1:] == 0) & (drawn[:-1] == 0)).sum().item()
    assert abs(both - 0.01 * drawn[1:].numel()) < 5 * (0.0099 * n) ** 0.5, "masks in a row are independent"
    assert masks.drop(ones, 0.0) is ones
    assert Masks(layout, False, torch.device("cpu")).drop(ones, 0.5) is ones


def test_a_rank_drops_what_one_process_would(tmp_path: Path) -> None:
    """Only rows 2 to 4 of a batch of 5, which the second of two ranks computes, dropout on."""
    from bench import data_parallel

    model = load(find(str(make_encoder(tmp_path / "bert", "bert", dropout=0.3))), 2).model
    assert use_packed(model.bert)
    model.train()
    mask = (torch.arange(9) < torch.tensor([9, 3, 5, 9, 1])[:, None]).long()
    inputs = {"input_ids": torch.randint(5, 60, mask.shape) * mask, "attention_mask": mask}
    torch.manual_seed(3)
    whole = model(**inputs).logits
    torch.manual_seed(3)
    with data_parallel.WholeMasks(slice(2, 5), 5):
        part = model(**{name: value[2:] for name, value in inputs.items()}).logits
    assert torch.allclose(part, whole[2:], atol=1e-6)
    torch.manual_seed(4)
    assert not torch.allclose(model(**inputs).logits, whole, atol=1e-3)


def test_states_of_frozen_blocks_give_the_plain_logits_or_are_not_used(encoder: Path, tmp_path: Path) -> None:
    checkpoint = find(str(encoder))
    texts = ["a good day", "what a very long and rather bad day this was", "so so"]
    tokens = TokensJob("t", tmp_path / "t", tmp_path, (), "test", texts, None, checkpoint, 32)
    states = StatesJob("s", tmp_path / "s", tmp_path, ("t",), tmp_path / "t", checkpoint, 1)
    assert [run_job(tokens).state, run_job(states).state] == ["done", "done"]
    content = read_json(tmp_path / "s" / "metrics.json")
    assert content["supported"] is (content["difference"] <= 1e-5)
    if content["supported"]:
        from bench.precomputed.tokens import load as load_tokens

        whole, short = Classifier(checkpoint, 2, 1), Classifier(checkpoint, 2, 1)
        short.use_states(1)
        out = []
        for classifier, folder in ((whole, None), (short, tmp_path / "s")):
            classifier.start(0)
            classifier.eval()
            inputs = load_tokens(tmp_path / "t", folder).inputs(np.arange(3))
            out.append(classifier.model(**inputs).logits)
        assert torch.allclose(*out, atol=1e-5)


def test_a_grid_runs_with_every_family(encoder: Path, run_here: Callable[..., Plan]) -> None:
    for layers in ("0", "1", "all"):
        plan = run_here(methods="dimp", encoder=str(encoder), settings={"train_layers": layers})
        assert len(plan.cells) == 1


def test_the_final_norm_of_a_decoder_trains_with_its_top_blocks(tmp_path: Path) -> None:
    """As that of ModernBERT, and the pooler of BERT."""
    for folder, norm in (
        (make_llama(tmp_path / "llama"), "model.norm.weight"),
        (make_encoder(tmp_path / "modernbert", "modernbert"), "model.final_norm.weight"),
    ):
        trained = Classifier(find(str(folder)), 2, 1).trained
        assert norm in trained
        assert any(name.startswith("model.layers.1.") for name in trained)
        assert not any(name.startswith(("model.layers.0.", "model.emb")) for name in trained)


def test_the_longest_text_has_as_many_tokens_as_there_are_positions(encoder: Path) -> None:
    checkpoint = find(str(encoder))
    model = load(checkpoint, 2).model
    assert checkpoint.positions is not None
    ids = torch.full((1, checkpoint.positions), 60)
    assert model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.isfinite().all()
    settings = Settings(max_length=checkpoint.positions, train_layers="all")
    fits(checkpoint, settings)
    with pytest.raises(UserError, match="positions"):
        fits(checkpoint, replace(settings, max_length=checkpoint.positions + 1))
    if encoder.name in ("roberta", "mpnet"):
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, checkpoint.positions + 1), 60))


@pytest.mark.parametrize("family", ["deberta", "deberta-v2"])
def test_distances_of_tokens_have_no_longest_text(family: str) -> None:
    """Such a model takes 100 tokens, and --max-length 100 was refused: it had 32 positions."""
    shape = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    distances = {"position_biased_input": False, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
    config = AutoConfig.for_model(family, **shape, **distances, intermediate_size=64, max_position_embeddings=32)
    assert positions(config.to_dict()) is None
    ids = torch.full((1, 100), 7)
    states = AutoModel.from_config(config).eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    assert states.shape[1] == 100
    assert states.isfinite().all()
    config.position_biased_input = True
    assert positions(config.to_dict()) == 32


@pytest.mark.parametrize("family", ["data2vec-text", "ibert", "longformer", "luke", "roberta", "roberta-prelayernorm"])
def test_positions_that_begin_after_the_padding_leave_fewer_for_tokens(family: str) -> None:
    shape = {
        "vocab_size": 60,
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 66,
        "pad_token_id": 1,
        "type_vocab_size": 1,
    }
    own = {"attention_window": [8]} if family == "longformer" else {}
    config = AutoConfig.for_model(family, **shape, **own)
    longest = positions(config.to_dict())
    assert longest == 64
    model = AutoModel.from_config(config).eval()
    ids = torch.full((1, longest), 7)
    assert model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state.isfinite().all()
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=torch.full((1, 67), 7))


def test_several_encoders_are_sections_of_one_grid(tmp_path: Path) -> None:
    """Checkers use each classifier's own encoder or `checker_encoder`, always with its own tokenizer."""
    one, other, third = (str(make_encoder(tmp_path / name, name)) for name in ("roberta", "modernbert", "electra"))
    options = {"methods": "ce,imp,real-only", "preset": "smoke", "seeds": 1, "settings": {"updates": 2}}
    for checker, trainings in ((None, 6), (third, 8), (one, 6)):
        plan = make_plan(make_request(encoder=f"{one},{other}", checker_encoder=checker, **options), tmp_path / "runs")  # type: ignore[arg-type]
        assert [section["encoder"] for section in plan.sections] == [one, other]
        jobs = [job for job in plan.jobs.values() if isinstance(job, CellJob)]
        assert len(jobs) == trainings
        for job in jobs:
            checkers = [other for other in jobs if other.folder in job.tables.values()]
            assert {other.checkpoint.name for other in checkers} <= {checker or job.checkpoint.name}
            assert set(job.spec.table_ids.values()) == {other.spec.id for other in checkers}
            assert {job.generated.tokens, job.test.tokens} <= {need.folder for need in tokens_of(plan, job)}
        named = {section["checker_encoder"] for section in plan.sections}
        assert named == {None: {None}, third: {third}, one: {None, one}}[checker]
    for job in plan.jobs.values():
        outcome = run_job(job)
        assert outcome.state == "done", outcome.cause


def tokens_of(plan: Plan, job: CellJob) -> list[TokensJob]:
    """The token tables that a job waits for, made by its own tokenizer."""
    needed = [plan.jobs[need] for need in job.needs]
    tables = [need for need in needed if isinstance(need, TokensJob)]
    assert {need.checkpoint.tokenizer_hash for need in tables} == {job.checkpoint.tokenizer_hash}
    return tables


def test_scores_in_another_order_of_classes_are_refused(run_here: Callable[..., Plan]) -> None:
    from bench.precomputed.tables import RowLookup

    plan = run_here(methods="ce", settings={"updates": 1})
    (job,) = (job for job in plan.jobs.values() if isinstance(job, CellJob))
    path = job.folder / "train_scores.parquet"
    frame = pd.read_parquet(path)
    ids = frame["id"].to_numpy()
    lookup = RowLookup(ids, ids, 2)
    assert READERS["diversity"](job.folder, lookup).shape == (len(ids), 2)
    for columns, message in ((["id", "logp_1", "logp_0"], "in their order"), (["id", "logp_0"], "of 2 classes")):
        frame[columns].to_parquet(path)
        with pytest.raises(LookupError, match=message):
            READERS["diversity"](job.folder, lookup)


@pytest.mark.parametrize("option", ["encoder", "checker_encoder"])
def test_an_encoder_that_cannot_be_used_is_named(tmp_path: Path, tiny_encoder: Path, option: str) -> None:
    broken = shutil.copytree(tiny_encoder, tmp_path / "broken")
    (broken / "model.safetensors").unlink()
    options = {"preset": "smoke", "seeds": 1, "encoder": str(tiny_encoder)}
    options[option] = f"{tiny_encoder},{broken}" if option == "encoder" else str(broken)
    with pytest.raises(UserError, match=r"encoder '.*broken': .* no weights"):
        make_plan(make_request(**options), tmp_path / "runs")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="an empty name"):
        make_request(encoder="a,,b")


@pytest.mark.parametrize(
    "family",
    ["biogpt", "deberta-v2", "esm", "llama", "megatron-bert", "modernbert", "roberta-prelayernorm", "xlm-roberta-xl"],
)
def test_what_runs_after_the_last_block_trains(family: str, tmp_path: Path) -> None:
    """Norms above the blocks stayed frozen where a family gives them another name."""
    own = {"relative_attention": True, "norm_rel_ebd": "layer_norm"} if family == "deberta-v2" else {}
    classifier = Classifier(find(str(small(tmp_path / family, family, **own))), 2, 1)
    last, after = block_list(classifier.base, family)[-1], list[torch.nn.Module]()
    last.register_forward_hook(lambda *_: after.append(last))
    for module in classifier.base.modules():
        if [*module.parameters(recurse=False)] and module not in [*last.modules()]:
            module.register_forward_pre_hook(lambda module, _: after.append(module) if after else None)
    ids = torch.tensor([[5, 9, 20, 7]])
    classifier.model(input_ids=ids, attention_mask=torch.ones_like(ids))
    assert len(after) == (1 if family == "deberta-v2" else 3 if family == "megatron-bert" else 2)
    assert all(weight.requires_grad for module in after for weight in module.parameters())
    below = [weight for module in classifier.frozen for weight in module.parameters(recurse=False)]
    assert below
    assert not any(weight.requires_grad for weight in below)
