"""Published scorers against the formulas of their own scripts, on the same random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from transformers import AutoTokenizer, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from sprite_diffusers.data import composite
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.models.clip import build_clip
from sprite_diffusers.models.text_training import train_wordpiece
from sprite_diffusers.rewards import (
    AestheticHead,
    AestheticReward,
    ClipAlignmentReward,
    HPSReward,
    PickScoreReward,
    load_head,
    save_head,
)

from .published import PROMPTS, clip_of, pictures, tensor_of, write_clip, write_hps

TOLERANCE = {"rtol": 0, "atol": 1e-4}
LAION_HEAD = Path(__file__).parents[3] / "shared" / "data" / "aesthetic" / "sac+logos+ava1-l14-linearMSE.pth"


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def hps_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    pytest.importorskip("open_clip", reason="open_clip is not installed: pip install 'sprite-diffusers[rewards]'")
    return write_hps(tmp_path_factory.mktemp("hps") / "model")


@torch.no_grad()
def reference_image_features(folder: Path, images: list[Image.Image]) -> torch.Tensor:
    """transformers alone: its Pillow image processor, its network, and a division by the length."""
    model = CLIPModel.from_pretrained(folder).eval()
    processor = CLIPImageProcessorPil.from_pretrained(folder)
    parts = [processor(images=image, return_tensors="pt")["pixel_values"] for image in images]
    features = model.get_image_features(pixel_values=torch.cat(parts)).pooler_output
    return features / features.norm(dim=-1, keepdim=True)


@torch.no_grad()
def reference_text_features(folder: Path, prompts: list[str]) -> torch.Tensor:
    """One prompt after the other, so that none is padded."""
    model = CLIPModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = []
    for prompt in prompts:
        tokens = tokenizer(prompt, truncation=True, max_length=77, return_tensors="pt")
        rows.append(
            model.get_text_features(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask).pooler_output
        )
    features = torch.cat(rows)
    return features / features.norm(dim=-1, keepdim=True)


def reference_head(state: dict[str, torch.Tensor], features: torch.Tensor) -> torch.Tensor:
    """LAION's MLP without dropout: one affine map after the other."""
    for index in (0, 2, 4, 6, 7):
        features = features @ state[f"layers.{index}.weight"].T + state[f"layers.{index}.bias"]
    return features[:, 0]


def assert_score_is_call(reward, images, prompts) -> None:
    """The differentiable path gives the same values as a call, with a gradient that is not zero."""
    values = reward(images=images, prompts=prompts)
    for picture, prompt, value in zip(images, prompts, values, strict=True):
        pixels = tensor_of(picture).requires_grad_()
        score = reward.score(pixels, [prompt])
        torch.testing.assert_close(score, torch.tensor([value]), **TOLERANCE)
        score.sum().backward()
        assert pixels.grad.abs().max() > 0
        assert pixels.grad.isfinite().all()


def test_aesthetic_is_laions_formula(clip_folder, tmp_path):
    torch.manual_seed(1)
    head = AestheticHead((16, 12, 10, 8, 6, 1))
    save_head(head, tmp_path / "head.pth")
    reward = AestheticReward(tmp_path / "head.pth", clip_folder)
    images = pictures()
    expected = reference_head(
        torch.load(tmp_path / "head.pth", weights_only=True), reference_image_features(clip_folder, images)
    )
    torch.testing.assert_close(torch.tensor(reward(images=images, prompts=PROMPTS)), expected, **TOLERANCE)
    assert expected.std() > 1e-3  # a comparison of constants would say nothing
    assert_score_is_call(reward, images, PROMPTS)


@pytest.mark.skipif(not LAION_HEAD.is_file(), reason=f"the LAION head is not at {LAION_HEAD}")
def test_laions_head_is_the_affine_map_that_it_is_known_to_be(tmp_path):
    head = load_head(LAION_HEAD)
    state = torch.load(LAION_HEAD, weights_only=True, map_location="cpu")
    assert list(head.state_dict()) == list(state)
    features = F.normalize(torch.randn(50, 768, generator=torch.Generator().manual_seed(0)), dim=1)
    torch.testing.assert_close(head(features), reference_head(state, features), **TOLERANCE)
    with torch.no_grad():
        bias = head(torch.zeros(1, 768))
        slope = head(torch.eye(768)) - bias
    assert bias.item() == pytest.approx(5.237, abs=1e-3)
    assert slope.norm().item() == pytest.approx(18.0, abs=0.05)
    clip = clip_of(tmp_path / "clip", projection_dim=768)
    images = pictures()
    expected = reference_head(state, reference_image_features(tmp_path / "clip", images))
    found = torch.tensor(AestheticReward(LAION_HEAD, clip)(images=images, prompts=PROMPTS))
    torch.testing.assert_close(found, expected, **TOLERANCE)


def test_head_files(tmp_path):
    torch.manual_seed(0)
    head = AestheticHead()
    assert [name for name in head.state_dict() if "weight" in name] == [
        f"layers.{index}.weight" for index in (0, 2, 4, 6, 7)
    ]
    features = torch.randn(3, 768)
    save_head(head, tmp_path / "model.safetensors")
    torch.testing.assert_close(load_head(tmp_path)(features), head.eval()(features))
    linear = torch.nn.Linear(768, 1)
    torch.save(linear.state_dict(), tmp_path / "sa_0_4_vit_l_14_linear.pth")
    torch.testing.assert_close(
        load_head(tmp_path / "sa_0_4_vit_l_14_linear.pth")(features), linear(features)[:, 0].detach()
    )


def test_heads_that_are_none(tmp_path, clip_folder):
    relu = torch.nn.ModuleDict(
        {
            "layers": torch.nn.Sequential(
                torch.nn.Linear(16, 8), torch.nn.ReLU(), *[torch.nn.Dropout(), torch.nn.Linear(8, 1)]
            )
        }
    )
    torch.save(relu.state_dict(), tmp_path / "relu.pth")
    with pytest.raises(SpriteError, match="no aesthetic head"):
        load_head(tmp_path / "relu.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(SpriteError, match="cannot be read as weights"):
        load_head(tmp_path / "text.pth")
    with pytest.raises(SpriteError, match="holds none of"):
        load_head(clip_folder.parent)
    with pytest.raises(SpriteError, match="no file, no folder and no Hub id"):
        load_head("nowhere.pth")
    with pytest.raises(SpriteError, match=r"cannot be had from 'nobody/nothing'"):
        load_head("nobody/nothing/head.pth")
    with pytest.raises(SpriteError, match="takes 768 features, but the CLIP gives 16"):
        AestheticReward(AestheticHead(), clip_folder)


@pytest.mark.parametrize("scaled", [False, True])
def test_clip_alignment_is_the_cosine(clip_folder, scaled):
    images = pictures()
    expected = (reference_image_features(clip_folder, images) * reference_text_features(clip_folder, PROMPTS)).sum(
        dim=1
    )
    if scaled:
        expected = expected * CLIPModel.from_pretrained(clip_folder).logit_scale.exp().detach()
    reward = ClipAlignmentReward(clip_folder, scaled=scaled)
    torch.testing.assert_close(torch.tensor(reward(images=images, prompts=PROMPTS)), expected, **TOLERANCE)
    assert expected.std() > 1e-3
    assert_score_is_call(reward, images, PROMPTS)


def test_a_clip_that_was_trained_here_serves_as_well():
    torch.manual_seed(0)
    tokenizer = train_wordpiece(PROMPTS * 3, 200, 16)
    clip = build_clip(
        tokenizer, image_size=16, block_out_channels=[8, 16], text_hidden_size=32, max_length=16, projection_dim=8
    )
    images = torch.rand(3, 3, 16, 16)
    images = (images * 255).round() / 255
    reward = ClipAlignmentReward(clip, scaled=True)
    with torch.no_grad():
        output = clip.model(**clip.tokenize(PROMPTS[:3]), pixel_values=images * 2 - 1)
    found = torch.tensor(reward(images=images, prompts=PROMPTS[:3]))
    torch.testing.assert_close(found, output.logits_per_image.diagonal(), **TOLERANCE)
    head = AestheticHead((8, 6, 4, 2, 1), dropout=0.9)
    found = torch.tensor(AestheticReward(head, clip)(images=images))
    torch.testing.assert_close(found, head.eval()(output.image_embeds).detach(), **TOLERANCE)


def test_pickscore_is_its_readmes_formula(clip_folder, tmp_path):
    """From the model card: embeddings over their lengths, exp(logit_scale) times their product; the processor is apart."""
    CLIPModel.from_pretrained(clip_folder).save_pretrained(tmp_path / "bare")
    reward = PickScoreReward(tmp_path / "bare", processor=clip_folder)
    images = pictures()
    model = CLIPModel.from_pretrained(tmp_path / "bare")
    similarity = reference_text_features(clip_folder, PROMPTS) @ reference_image_features(clip_folder, images).T
    expected = (model.logit_scale.exp() * similarity).diagonal().detach()
    torch.testing.assert_close(torch.tensor(reward(images=images, prompts=PROMPTS)), expected, **TOLERANCE)
    with pytest.raises(SpriteError, match="cannot be loaded"):
        PickScoreReward(tmp_path / "bare")


@torch.no_grad()
def reference_hps(path: Path, images: list[Image.Image], prompts: list[str]) -> torch.Tensor:
    """HPSv2's script: its own transforms with torchvision, image by image, the diagonal of the products."""
    import open_clip
    from torchvision.transforms import InterpolationMode, Normalize, ToTensor
    from torchvision.transforms.functional import pad, resize

    name = f"local-dir:{path.parent}"
    model = open_clip.create_model(name, load_weights=False).eval()
    model.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
    tokenizer = open_clip.get_tokenizer(name)
    normalize = Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
    scores = []
    for picture, prompt in zip(images, prompts, strict=True):
        image = ToTensor()(picture)
        scale = 32 / float(max(image.shape[1:]))
        if scale != 1.0:
            size = [round(side * scale) for side in image.shape[1:]]
            image = resize(image, size, InterpolationMode.BICUBIC)
            down, across = 32 - size[0], 32 - size[1]
            image = pad(image, [across // 2, down // 2, across - across // 2, down - down // 2], fill=0)
        image_features, text_features, _ = model(normalize(image)[None], tokenizer([prompt]))
        scores.append(torch.diagonal(image_features @ text_features.T))
    return torch.cat(scores)


def test_hps_is_its_scripts_formula(hps_files):
    images, found = pictures(), {}
    for version, path in hps_files.items():
        reward = HPSReward(path.parent, version)
        found[version] = torch.tensor(reward(images=images, prompts=PROMPTS))
        torch.testing.assert_close(found[version], reference_hps(path, images, PROMPTS), **TOLERANCE)
    assert (found["v2.0"] - found["v2.1"]).abs().min() > 1e-3
    assert_score_is_call(reward, images, PROMPTS)


def test_hps_does_not_preprocess_as_open_clip_does(hps_files):
    """The shorter side and a crop, which is open_clip's way, shows something else of an image that is not square."""
    import open_clip

    reward = HPSReward(hps_files["v2.1"])
    wide = pictures()[1]
    own = open_clip.image_transform(32, is_train=False)(wide)[None]
    assert (reward.preprocess(tensor_of(wide)) - own).abs().max() > 0.5
    border = reward.preprocess(torch.ones(1, 3, 16, 32))  # 8 rows of black above and below
    mean, std = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    torch.testing.assert_close(border[0, :, 7, 5], -mean / std)
    torch.testing.assert_close(border[0, :, 8, 5], (1 - mean) / std)


def test_hps_errors(hps_files, tmp_path):
    with pytest.raises(SpriteError, match="hps_version 'v3' is unknown"):
        HPSReward(hps_files["v2.0"], "v3")
    with pytest.raises(SpriteError, match="open_clip cannot build 'ViT-Z'"):
        HPSReward(hps_files["v2.0"], architecture="ViT-Z")
    torch.save({"state_dict": {"a": torch.zeros(1)}}, hps_files["v2.0"].parent / "other.pt")
    with pytest.raises(SpriteError, match="are not those of"):
        HPSReward(hps_files["v2.0"].parent / "other.pt")


def scorers(clip_folder: Path, hps_files: dict[str, Path], **options) -> list:
    torch.manual_seed(0)
    return [
        AestheticReward(AestheticHead((16, 8, 1)), clip_folder, **options),
        ClipAlignmentReward(clip_folder, **options),
        PickScoreReward(clip_folder, **options),
        HPSReward(hps_files["v2.1"], **options),
    ]


def test_transparency_is_refused_or_composited(clip_folder, hps_files):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 4), dtype=np.uint8)
    clear = [Image.fromarray(array) for array in pixels]
    solid = [Image.fromarray(array) for array in composite(pixels, "magenta")]
    prompts = PROMPTS[:3]
    for reward in scorers(clip_folder, hps_files):
        with pytest.raises(SpriteError, match=f"{reward.name!r} does not see transparency"):
            reward(images=clear, prompts=prompts)
        with pytest.raises(SpriteError, match="does not see transparency"):
            reward.score(torch.rand(3, 4, 8, 8), prompts)
    for reward in scorers(clip_folder, hps_files, background="magenta"):
        expected = torch.tensor(reward(images=solid, prompts=prompts))
        # HPS does not round to 256 levels, so that the rounding of the composited pictures shows
        tolerance = {"rtol": 0, "atol": 2e-3} if reward.name == "hps" else TOLERANCE
        torch.testing.assert_close(torch.tensor(reward(images=clear, prompts=prompts)), expected, **tolerance)
        batch = torch.cat([tensor_of(picture) for picture in clear])
        torch.testing.assert_close(torch.tensor(reward(images=batch, prompts=prompts)), expected, **tolerance)


def test_batches_and_missing_prompts_change_no_score(clip_folder, hps_files):
    images, prompts = pictures() * 2, [*PROMPTS, None, *reversed(PROMPTS[1:])]
    one_by_one = scorers(clip_folder, hps_files, batch_size=1)
    for reward, single in zip(scorers(clip_folder, hps_files, batch_size=3), one_by_one, strict=True):
        found, expected = reward(images=images, prompts=prompts), single(images=images, prompts=prompts)
        if reward.name == "aesthetic":
            assert None not in found
        else:
            assert [index for index, value in enumerate(found) if value is None] == [5]
            del found[5], expected[5]
        assert found == pytest.approx(expected, abs=1e-5)
        assert reward.version == single.version
        assert reward(images=[], prompts=[]) == []
