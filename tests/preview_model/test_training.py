from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import CogVideoXTransformer3DModel, DiffusionPipeline

from gpu_worker.preview.checkpoint import SHIPPED
from preview_model import architecture, inheritance, recipe
from preview_model import training as training_module
from preview_model.architecture import (
    REGISTER_TOKENS,
    build_scheduler,
    build_text_encoder,
    build_tokenizer,
    build_transformer,
)
from preview_model.captions import plural
from preview_model.chance import Chance, read_chances
from preview_model.examples import draw_clips, patch_components, wear
from preview_model.inheritance import inherit_transformer
from preview_model.motion import Pose
from preview_model.patches import CELLS, pick, split
from preview_model.plan import Look, TrainingPlan
from preview_model.publishing import publish
from preview_model.reading import draw_caption, targets, tokenize, train_text_encoder
from preview_model.scene import COLOURS, MOTIONS, REGISTERS, SHAPES, Scene, Thing, is_held_out, register
from preview_model.training import Training, train
from preview_model.wordings import SHAPE_WORDS

DEPTH = architecture.LAYERS
SMALL = TrainingPlan(
    reading_steps=2,
    steps=4,
    looks=(Look(0, 2, 2, 1), Look(3, 1, 15, None)),
    wide_from=0,
    pictures_after=(-1, 0),
    worn_rate=0.0,
    schedule=((0, 1.0), (4, 0.1)),
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def orthogonalize(grad: torch.Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> torch.Tensor:
    """What Muon makes of a gradient, in single precision."""
    a, b, c = coefficients
    found: torch.Tensor = grad / grad.norm().clamp(min=eps)
    for _ in range(steps):
        gram = found @ found.T
        found = a * found + (b * gram + c * gram @ gram) @ found
    return found


@pytest.fixture(autouse=True)
def muon_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's own works in bfloat16: six seconds a step on a processor without instructions for it."""
    monkeypatch.setattr(torch.optim._muon, "_zeropower_via_newtonschulz", orthogonalize)


@pytest.fixture(autouse=True, scope="module")
def quick_training() -> Iterator[None]:
    """Gives trainings two blocks of five, components of patches computed once, and fewer captions to translate by.

    What is shown here is how a training goes, which depth does not change.
    """
    components = patch_components()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(architecture, "LAYERS", 2)
        patch.setattr(training_module, "patch_components", lambda: components)
        patch.setattr(inheritance, "CAPTIONS", 600)
        yield


@pytest.fixture
def full_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives trainings as many blocks as the shipped transformer has, whose weights they take over."""
    monkeypatch.setattr(architecture, "LAYERS", DEPTH)


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the text encoder has been trained already."""
    folder = tmp_path_factory.mktemp("reading")
    train_text_encoder(folder, steps=SMALL.reading_steps, seed=SMALL.seed)
    return folder


@pytest.fixture
def folder(encoder_folder: Path, tmp_path: Path) -> Path:
    """A folder of one training, which begins after the text encoder's."""
    return Path(shutil.copytree(encoder_folder, tmp_path / "training"))


def weights(training: Training) -> list[torch.Tensor]:
    return [*training.transformer.state_dict().values(), *training.average.state_dict().values()]


def untrained(plan: TrainingPlan, folder: Path) -> Training:
    return Training(plan, folder, train_text_encoder(folder, steps=plan.reading_steps, seed=plan.seed))


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(folder: Path, tmp_path: Path) -> None:
    through = train(SMALL, Path(shutil.copytree(folder, tmp_path / "through")))
    killed = untrained(SMALL, folder)
    killed.advance()
    killed.advance()
    killed.keep()
    killed.advance()  # lost: never kept
    resumed = train(SMALL, folder)
    assert resumed.step == through.step == 4
    for one, other in zip(weights(through), weights(resumed), strict=True):
        assert torch.equal(one, other)


def test_a_few_steps_on_the_same_examples_bring_their_error_down(folder: Path) -> None:
    plan = replace(SMALL, looks=(Look(0, 4, 2, 1),), schedule=((0, 0.5),), picture_rate=0.0, wide_from=100)
    training = untrained(replace(plan, pure_noise_rate=1.0), folder)
    examples = training.draw_batch()
    before = training.gradients.compute(examples).mean()
    for _ in range(6):
        training.step = 0  # whose examples they are
        training.advance()
    assert training.gradients.compute(examples).mean() < 0.7 * before


def known_shapes(scene: Scene) -> set[str]:
    """The last words of what the first object of ``scene`` may be called."""
    words = SHAPE_WORDS[scene.shape]
    return {phrase.split()[-1] for phrase in (*words, *map(plural, words))}


def test_no_held_out_combination_is_drawn(folder: Path) -> None:
    training = train(replace(SMALL, steps=0), folder)
    scenes = [scene for scene, _, _ in training.draw_prompts(random.Random(1), 500)]
    assert len(scenes) == 500
    assert not any(map(is_held_out, scenes))


def test_captions_with_a_picture_tell_how_it_moves_and_not_always_what_it_shows(folder: Path) -> None:
    training = train(replace(SMALL, steps=0, picture_rate=1.0, other_picture_rate=0.5), folder)
    readings = list(training.draw_prompts(random.Random(1), 400))
    assert all(starts is not None and len(starts) == scene.count for scene, _, starts in readings)
    white = [text for scene, text, _ in readings if scene.background == "white"]
    assert 0.1 < np.mean([("white" not in text) for text in white]) < 0.9


def test_half_of_the_captions_with_a_picture_only_say_how_it_moves(folder: Path) -> None:
    training = train(replace(SMALL, steps=0, picture_rate=1.0, other_picture_rate=0.0), folder)
    readings = [(scene, text.split()) for scene, text, _ in training.draw_prompts(random.Random(1), 400)]
    named = [any(word in text for word in known_shapes(scene)) for scene, text in readings]
    assert 0.4 < np.mean(named) < 0.6


def test_a_given_first_frame_is_free_of_noise_and_costs_nothing(folder: Path) -> None:
    batch = untrained(replace(SMALL, looks=(Look(0, 12, 2, 1),), picture_rate=0.5), folder).draw_batch()
    assert 0 < batch.given.sum() < 12
    assert torch.equal(batch.places[:, :CELLS], torch.arange(CELLS).expand(12, -1))
    assert torch.equal(batch.noisy[batch.given, 0], batch.clips[batch.given, 0])
    assert (batch.weights[batch.given, 0] == 0).all()
    assert (batch.weights[:, 1] > 0).all()
    assert not torch.equal(batch.noisy[~batch.given, 0], batch.clips[~batch.given, 0])


def test_worn_pictures_have_words_in_their_corner_and_are_otherwise_nearly_the_same() -> None:
    black = -torch.ones(2, 3, 48, 48)
    worn = wear(black)
    away = (worn - black).abs().mean((0, 1))
    assert away[:40].mean() < 0.05
    assert away[43:47, 38:46].mean() > 0.1


def test_clips_begin_as_their_noise_says(folder: Path) -> None:
    plan = replace(SMALL, looks=(Look(0, 24, 2, 1),), picture_rate=0.0, pure_noise_rate=1.0, whole_chance_after=1)
    training = untrained(plan, folder)
    training.step = 1
    batch = training.draw_batch()
    scenes = [scene for scene, _, _ in training.draw_prompts(random.Random(f"{plan.seed}/1"), 24)]
    chances = read_chances(batch.noisy[:, 0])
    drawn, _ = draw_clips(scenes, chances, [None] * 24, torch.arange(16).expand(24, -1))
    patches = pick(split(drawn), batch.places)
    assert torch.allclose(patches, split(batch.clips), atol=1e-4)


def test_first_one_kind_of_object_then_pairs_chance_and_little_by_little_pictures() -> None:
    plan = replace(SMALL, wide_from=100, picture_rate=0.4, pictures_after=(10, 20), whole_chance_after=50)
    assert [plan.share_of_pictures(step) for step in (0, 110, 115, 120, 900)] == pytest.approx([0, 0, 0.2, 0.4, 0.4])
    assert [plan.share_of_pairs(step) for step in (0, 99, 100)] == [0, 0, plan.pair_rate]
    assert [plan.share_of_chance(step) for step in (0, 99, 100, 150, 900)] == pytest.approx([0.2, 0.2, 0.5, 1, 1])


def test_the_ear_is_set_when_seeds_begin_to_decide(folder: Path) -> None:
    training = untrained(replace(SMALL, wide_from=1), folder)
    ear = training.transformer.transformer_blocks[0].attn1.to_v.weight
    training.advance()
    deaf = ear[:64].norm()
    training.advance()
    assert ear[:64].norm() > 3 * deaf


def test_times_are_those_that_sampling_visits(folder: Path) -> None:
    training = train(replace(SMALL, steps=0, pure_noise_rate=0.5, sampled_rate=0.3), folder)
    times = training.draw_times(20_000)
    assert (times == 999).float().mean() == pytest.approx(0.5, abs=0.02)
    assert torch.isin(times, training.visited).float().mean() == pytest.approx(0.3, abs=0.02)
    assert times.min() >= 0
    scheduler = build_scheduler()
    scheduler.set_timesteps(recipe.STEPS)
    assert {999, *training.visited.tolist()} == set(scheduler.timesteps.tolist())


def test_hard_scenes_are_drawn_more_often(folder: Path) -> None:
    training = train(replace(SMALL, steps=0), folder)
    scenes = [scene for scene, _, _ in training.draw_prompts(random.Random(1), 6000)]
    turning = [scene for scene in scenes if scene.motion == "spinning" and scene.shape != "circle"]
    growing = [scene for scene in scenes if scene.motion == "growing" and scene.shape != "circle"]
    assert len(turning) > 2.5 * len(growing)
    star, square, triangle = (sum(s.shape == shape for s in growing) for shape in ("star", "square", "triangle"))
    assert star > 1.3 * square
    assert square > 1.3 * triangle


@pytest.mark.parametrize(("step", "share"), [(0, 0.0), (1, 0.5), (2, 1.0), (5, 1.0), (6, 0.5), (8, 0.25), (99, 0.0)])
def test_rates_follow_straight_lines_between_the_points_of_the_schedule(step: int, share: float) -> None:
    plan = replace(SMALL, schedule=((0, 0.0), (2, 1.0), (5, 1.0), (6, 0.5), (10, 0.0)))
    assert plan.share_of_rates(step) == pytest.approx(share)


def test_what_is_published_is_the_average_of_the_weights(folder: Path, tmp_path: Path) -> None:
    training = train(SMALL, folder)
    publish(folder, tmp_path / "out")
    shipped = CogVideoXTransformer3DModel.from_pretrained(tmp_path / "out", subfolder="transformer").state_dict()
    for name, average in training.average.state_dict().items():
        assert torch.allclose(shipped[name].float(), average, atol=2e-3), name


def test_publishing_without_training_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"python -m preview_model train"):
        publish(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_chosen_frames_are_those_of_the_whole_clip() -> None:
    scenes = [Scene(shape="star", colour="cyan", motion="right"), Scene(colour="white", background="grey")]
    chances, starts = [Chance(0.5), Chance(size=-1)], [None, (Pose(20, 30, 6),)]
    whole, weights_of_whole = draw_clips(scenes, chances, starts, torch.arange(16).expand(2, -1))
    chosen = torch.tensor([[0, 3, 15], [2, 7, 8]])
    some, weights_of_some = draw_clips(scenes, chances, starts, chosen)
    assert whole.shape == (2, 16, 3, 48, 48)
    assert weights_of_whole.shape == (2, 16, 1, 48, 48)
    for i in range(2):
        assert torch.equal(some[i], whole[i, chosen[i]])
        assert torch.equal(weights_of_some[i], weights_of_whole[i, chosen[i]])


def test_the_loss_weighs_the_outline_more_and_does_not_know_the_shape() -> None:
    frames = torch.arange(16).expand(4, -1)
    scenes = [Scene(shape=shape, motion="left") for shape in SHAPES]
    _, weights = draw_clips(scenes, [Chance()] * 4, [None] * 4, frames)
    assert all(torch.equal(weights[0], other) for other in weights[1:])
    assert weights[0, 0, 0, 24, 36] > 3 * weights[0, 0, 0, 2, 2]


def test_low_contrast_weighs_more() -> None:
    frames = torch.arange(16).expand(2, -1)
    scenes = [Scene(colour="blue", background="dark blue"), Scene(colour="red", background="white")]
    _, weights = draw_clips(scenes, [Chance()] * 2, [None] * 2, frames)
    assert weights[0].mean() > 1.5 * weights[1].mean()


def test_principal_components_hold_nearly_all_of_a_patch() -> None:
    components = patch_components(sample=64)
    identity = components.directions.T @ components.directions
    assert torch.allclose(identity, torch.eye(len(identity)), atol=1e-4)
    assert (components.deviations[:-1] >= components.deviations[1:]).all()
    assert components.deviations[-1] < 0.02 * components.deviations[0]


@pytest.mark.usefixtures("full_depth")
def test_training_can_go_on_from_a_trained_pipeline(folder: Path) -> None:
    plan = replace(SMALL, steps=0, start=str(SHIPPED))
    training = train(plan, folder)
    shipped = CogVideoXTransformer3DModel.from_pretrained(SHIPPED, subfolder="transformer").state_dict()
    own = training.transformer.state_dict()
    assert torch.equal(own["proj_out.weight"], shipped["proj_out.weight"].float())


@pytest.mark.usefixtures("full_depth")
def test_what_a_new_text_encoder_says_is_translated_for_a_trained_transformer() -> None:
    tokenizer = build_tokenizer()
    torch.manual_seed(2)
    encoder = build_text_encoder(len(tokenizer)).requires_grad_(False)
    transformer = build_transformer()
    inherit_transformer(transformer, SHIPPED, tokenizer, encoder)
    former = DiffusionPipeline.from_pretrained(SHIPPED, dtype=torch.float32)
    texts = ["a red circle on black", "two blue stars spinning on a white background"]
    ids = [tokenize(t, texts) for t in (former.tokenizer, tokenizer)]
    wanted = former.transformer.patch_embed.text_proj(former.text_encoder(ids[0])[0])
    said = transformer.patch_embed.text_proj(encoder(ids[1])[0])
    untranslated = former.transformer.patch_embed.text_proj(encoder(ids[1])[0])
    shape = REGISTER_TOKENS.index("<shape>")
    assert (said - wanted)[:, shape].square().mean() < 0.75 * (untranslated - wanted)[:, shape].square().mean()


def test_targets_name_the_class_of_each_register() -> None:
    still = MOTIONS.index("still")
    pair = Scene(count=2, second=Thing("star", "blue"))
    rows = targets([Scene(), pair, None])
    assert rows[:, 0].tolist() == [0, 0, still, 0, 0, 0, 0]
    assert rows[:, 1].tolist() == [0, 0, still, 0, 1, SHAPES.index("star"), list(COLOURS).index("blue")]
    assert rows[:, 2].tolist() == [len(values) for values in REGISTERS.values()]


def test_captions_of_training_are_drawn_from_every_scene() -> None:
    rng = random.Random(2)
    scenes = {draw_caption(rng)[0] for _ in range(4000)}
    for name, values in REGISTERS.items():
        assert {register(scene, name) for scene in scenes} == set(values)
