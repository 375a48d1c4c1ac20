"""Multimodal checkpoints of transformers: the text model is imported, vision is skipped."""

import json

import numpy as np
import pytest
import torch
import transformers as t

import oracle
from tiny_hf import randomize

VISION = dict(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=16,
              patch_size=8, num_channels=3)
INTERN = VISION | dict(image_size=[16, 16], patch_size=[8, 8])
MALFORMED, UNSUPPORTED = 3, 4
TOKENS = list(range(7, 40))


def text(kind, **more):
    return kind(vocab_size=331, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
                num_key_value_heads=2, max_position_embeddings=256, **more)


# name -> (model, its config, the text model's, is the head tied). The outer config says that.
MODELS = {
    "llava": (t.LlavaForConditionalGeneration, lambda c, **o: t.LlavaConfig(
        text_config=c, vision_config=t.CLIPVisionConfig(**VISION), image_token_index=5, **o), t.LlamaConfig, False),
    "mistral3": (t.Mistral3ForConditionalGeneration, lambda c, **o: t.Mistral3Config(
        text_config=c, vision_config=t.PixtralVisionConfig(**VISION), image_token_index=5, **o), t.MistralConfig, True),
    "internvl": (t.InternVLForConditionalGeneration, lambda c, **o: t.InternVLConfig(
        text_config=c, vision_config=t.InternVLVisionConfig(**INTERN), image_token_id=5, **o), t.Qwen2Config, True),
    "smolvlm": (t.SmolVLMForConditionalGeneration, lambda c, **o: t.SmolVLMConfig(
        text_config=c, vision_config=VISION, image_token_id=5, pad_token_id=0, **o), t.LlamaConfig, False)}


@pytest.fixture(scope="module", params=MODELS)
def pair(request, tmp_path_factory):
    """A composite model, its directory, and that of its text model alone."""
    kind, config, inner, tied = MODELS[request.param]
    directory = tmp_path_factory.mktemp(request.param)
    model = kind(config(text(inner), tie_word_embeddings=tied)).eval()
    randomize(model, 5)
    model.tie_weights()
    model.save_pretrained(directory / "whole")
    alone = t.AutoModelForCausalLM.from_config(text(inner, tie_word_embeddings=tied)).eval()
    part = model.model.text_model if request.param == "smolvlm" else model.model.language_model
    alone.model.load_state_dict(part.state_dict())
    alone.lm_head.load_state_dict(model.lm_head.state_dict())
    alone.save_pretrained(directory / "text")
    return model, directory


@torch.no_grad()
def test_text_model(pair, heddle, score, tmp_path):
    """The bits of the text model alone, and the numbers of the whole."""
    model, directory = pair
    logits = []
    for name in ("whole", "text"):
        done = heddle("compile", directory / name, "-o", tmp_path / name, "--numeric=f32", "--quiet")
        assert ("ignored: tensor" in done.stderr) == (name == "whole"), done.stderr
        logits.append(score(tmp_path / name, TOKENS))
    assert np.array_equal(*logits)
    want = oracle.hf_logits(model, TOKENS)
    assert np.abs(logits[0] - want).max() <= 1e-4 * np.abs(want).max()


@pytest.mark.parametrize("change, code, said", (
    ({"hidden_size": 0}, MALFORMED, "config.json: text_config: hidden_size = 0"),
    ({"num_hidden_layers": 3}, MALFORMED, "layer"), ({"vocab_size": 7}, MALFORMED, "vocab_size = 7"),
    ({"model_type": "mllama_text_model"}, UNSUPPORTED, "'mllama_text_model'"),
    ({"model_type": None}, UNSUPPORTED, "ForConditionalGeneration"),
    (None, UNSUPPORTED, "'XForConditionalGeneration'")))
def test_hostile(pair, heddle, tmp_path, change, code, said):
    """The nested fields are checked as any."""
    _, directory = pair
    path = tmp_path / "model"
    path.mkdir()
    for file in (directory / "whole").iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    config = json.loads((path / "config.json").read_text())
    config["text_config"] = {k: v for k, v in (config["text_config"] | (change or {})).items() if v is not None}
    if change is None:
        config["architectures"] = ["XForConditionalGeneration"]
    (path / "config.json").write_text(json.dumps(config))
    done = heddle("import", path, code=code)
    assert said in done.stderr and sum("error: " in line for line in done.stderr.splitlines()) == 1, done.stderr
