"""Broken and hostile config.json and generation_config.json of a llama: every number
replaced by what it may not be, every field left out, and fields that contradict."""

import concurrent.futures
import json

import pytest
from import_tools import HEDDLE, LIMIT, MALFORMED, OK, UNSUPPORTED, check, run
from safetensors_bytes import CONFIG, SHAPES, entries, model, safetensors

pytestmark = pytest.mark.skipif(not HEDDLE, reason="HEDDLE_BIN is not set")

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 32.0,
        "beta_slow": 1.0, "attention_factor": 1.0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16}
LONGROPE = {"rope_type": "longrope", "short_factor": [1.0, 1.0], "long_factor": [2.0, 2.0],
            "original_max_position_embeddings": 16}
QWEN2 = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "use_sliding_window": True,
         "sliding_window": 8, "max_window_layers": 0}
MISTRAL = {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": 8}

BASES = {"llama": CONFIG, "yarn": {"rope_parameters": YARN}, "llama3": {"rope_scaling": LLAMA3},
         "longrope": {"rope_scaling": LONGROPE}, "qwen2": QWEN2, "mistral": MISTRAL}
BAD = [-1, 0, 2**31, 2**63, 1e308, "32", None, [], True, {"a": 1}]
# Of these, what a field may be all the same. A factor of yarn may be left to the lengths.
FINE = {"num_key_value_heads": [None], "head_dim": [None], "sliding_window": [None], "bos_token_id": [-1, 0, None],
        "eos_token_id": [0, None, []], "initializer_range": [0], "attention_dropout": [0, None],
        "rope_theta": [2**31], "max_window_layers": [0], "rope_parameters.factor": [None],
        "rope_parameters.attention_factor": [None], "rope_parameters.beta_fast": [None],
        "rope_parameters.beta_slow": [None]}


def numbers(config, where=""):
    """The path of each number in `config`."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from numbers(value, where + key + ".")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield where + key


def put(config, path, value):
    first, _, rest = path.partition(".")
    return config | {first: put(config[first], rest, value) if rest else value}


def is_fine(path, value):
    return any(type(fine) is type(value) and fine == value for fine in FINE.get(path, []))


def generated(base):
    return [(f"{path} = {json.dumps(value)}", put(CONFIG | BASES[base], path, value), is_fine(path, value))
            for path in numbers(BASES[base]) for value in BAD]


def test_there_are_enough():
    assert sum(not fine for base in BASES for _, _, fine in generated(base)) >= 200


@pytest.mark.parametrize("base", BASES)
def test_numbers(base, tmp_path):
    """One line that names the field and exit status 3, but for what is fine."""
    biases = {f"model.layers.0.self_attn.{n}_proj.bias": [8] for n in "qkv"}
    tensors = safetensors(*entries(SHAPES | (biases if base == "qwen2" else {})))
    good = model(tmp_path / "good", json.dumps(CONFIG | BASES[base]).encode(), {"model.safetensors": tensors})
    assert run(HEDDLE, "import", good).code == OK

    def wrong(case):
        number, (what, config, fine) = case
        path = model(tmp_path / str(number), json.dumps(config).encode(), {"model.safetensors": tensors})
        result = run(HEDDLE, "import", path)
        lines = result.err.splitlines()
        field = what.split(" ")[0].rsplit(".", 1)[-1]
        if fine:
            return "" if result.code == OK else f"{what}: {result.code} {result.err}"
        good_line = len(lines) == 1 and lines[0].startswith("heddle: error: ") and field in lines[0]
        return "" if result.code == MALFORMED and good_line and not result.out else f"{what}: {result.code} {result.err}"

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert list(filter(None, pool.map(wrong, enumerate(generated(base))))) == []


# Fields that the reference knows no default of.
REQUIRED = ("model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")


@pytest.mark.parametrize("field", CONFIG)
def test_dropped(field, tmp_path):
    """A field is required, or its default is that of this model too, or contradicts it."""
    path = model(tmp_path / "x", json.dumps({k: v for k, v in CONFIG.items() if k != field}).encode())
    bad = field in REQUIRED
    result = run(HEDDLE, "import", path)
    assert result.code == (MALFORMED if bad else OK), result.err
    assert not bad or field in result.err


# (name, changes, exit code, part of the line)
CASES = [
    ("layers-many", {"num_hidden_layers": 10**6}, MALFORMED, "num_hidden_layers = 1000000"),
    ("layers-more", {"num_hidden_layers": 2}, MALFORMED, "model.layers.1."),
    ("architecture", {"architectures": ["XForCausalLM"], "model_type": "x"}, UNSUPPORTED, "XForCausalLM"),
    ("architectures", {"architectures": ["LlamaForCausalLM", "QForCausalLM"]}, UNSUPPORTED, "QForCausalLM"),
    ("architectures-text", {"architectures": "LlamaForCausalLM"}, MALFORMED, "architectures"),
    ("model-type", {"model_type": "qwen2"}, MALFORMED, "model_type"),
    ("auto-map", {"auto_map": {"AutoModelForCausalLM": "modeling.X"}}, UNSUPPORTED, "auto_map"),
    ("auto-map-unknown", {"architectures": ["X"], "auto_map": {"AutoModel": "m.X"}}, UNSUPPORTED, "auto_map"),
    ("vocab-more", {"vocab_size": 25}, MALFORMED, "vocab_size = 25"),
    ("vocab-less", {"vocab_size": 23}, MALFORMED, "vocab_size = 23"),
    ("heads-not-dividing", {"num_attention_heads": 3}, MALFORMED, "limit"),
    ("kv-heads-more", {"num_key_value_heads": 4}, MALFORMED, "num_key_value_heads = 4"),
    ("head-dim-odd", {"head_dim": 3}, MALFORMED, "head_dim = 3"),
    ("head-dim-other", {"head_dim": 8}, MALFORMED, "q_proj"),
    ("act", {"hidden_act": "gelu"}, UNSUPPORTED, "hidden_act = 'gelu'"),
    ("tied-with-other-head", {"tie_word_embeddings": True}, MALFORMED, "lm_head.weight"),
    ("tied-text", {"tie_word_embeddings": "yes"}, MALFORMED, "tie_word_embeddings"),
    ("biases-absent", {"attention_bias": True}, MALFORMED, "q_proj.bias' = absent"),
    ("quantised", {"quantization_config": {"quant_method": "magic"}}, UNSUPPORTED, "'magic'"),
    ("gptq", {"quantization_config": {"quant_method": "gptq", "group_size": 0}}, UNSUPPORTED, "'gptq'"),
    ("partial", {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}, UNSUPPORTED, "partial_rotary"),
    ("rope-type", {"rope_scaling": {"type": "mrope"}}, UNSUPPORTED, "'mrope'"),
    ("rope-text", {"rope_scaling": "yarn"}, MALFORMED, "rope_scaling"),
    ("rope-more", {"rope_scaling": {"type": "linear", "factor": 2, "twist": 1}}, UNSUPPORTED, "twist"),
    ("rope-by-layer", {"rope_parameters": {"full_attention": {"rope_type": "default"}}}, UNSUPPORTED, "full_attention"),
    ("llama3-bounds", {"rope_scaling": LLAMA3 | {"high_freq_factor": 0.5}}, MALFORMED, "high_freq_factor"),
    ("longrope-count", {"rope_scaling": LONGROPE | {"long_factor": [1.0]}}, MALFORMED, "long_factor"),
    ("longrope-number", {"rope_scaling": LONGROPE | {"long_factor": 2}}, MALFORMED, "long_factor"),
    ("longrope-zero", {"rope_scaling": LONGROPE | {"short_factor": [0, 1]}}, MALFORMED, "short_factor"),
    ("eos-negative", {"eos_token_id": [2, -1]}, MALFORMED, "eos_token_id = -1"),
    ("eos-beyond", {"eos_token_id": 24}, MALFORMED, "eos_token_id"),
    ("window-0", MISTRAL | {"sliding_window": 0}, MALFORMED, "sliding_window = 0"),
    ("layer-types", QWEN2 | {"layer_types": ["full_attention"] * 2}, MALFORMED, "layer_types = 2 layers"),
    ("layer-types-text", QWEN2 | {"layer_types": ["other"]}, UNSUPPORTED, "'other'"),
    ("layer-types-number", QWEN2 | {"layer_types": [1]}, MALFORMED, "layer_types"),
]
TEXTS = [("empty", b""), ("array", b"[]"), ("cut", b'{"a": 1'), ("nan", b'{"rms_norm_eps": NaN}'), ("utf8", b'{"\xff": 1}'),
         ("duplicate", b'{"hidden_size": 8, "hidden\\u005fsize": 9}'), ("deep", b'{"a":' + b"[" * 10**5),
         ("dotted", b'{"a": {"b": 1}, "a.b": 1}')]
# (field, what generation_config.json holds, exit code)
GENERATION = [
    *[(field, json.dumps({field: value}).encode(), MALFORMED) for field, value in (
        ("temperature", -1), ("temperature", 1e308), ("temperature", [1]), ("temperature", True), ("top_p", 2),
        ("top_p", -0.1), ("min_p", 1.5), ("min_p", "0"), ("top_k", -1), ("top_k", 2**31), ("top_k", 1.5),
        ("do_sample", "yes"), ("do_sample", 1), ("eos_token_id", "2"), ("eos_token_id", [1, -5]),
        ("eos_token_id", 2**31), ("eos_token_id", 1.5), ("eos_token_id", {"a": 1}), ("eos_token_id", ["2"]))],
    ("JSON", b'{"temperature": NaN}', MALFORMED), ("temperature", b'{"temperature": 1e999}', MALFORMED),
    ("JSON", b"[]", MALFORMED), ("JSON key", b'{"top_k": 1, "top_k": 2}', MALFORMED),
    ("eos_token_id", json.dumps({"eos_token_id": list(range(10**5))}).encode(), LIMIT),
    ("size", json.dumps({"eos_token_id": list(range(10**6))}).encode(), LIMIT),
]


@pytest.mark.parametrize("case", CASES, ids=[c[0] for c in CASES])
def test_case(case, tmp_path):
    _, changes, code, part = case
    check("heddle", model(tmp_path / "x", **changes), code, part)


@pytest.mark.parametrize("case", TEXTS, ids=[c[0] for c in TEXTS])
def test_text(case, tmp_path):
    check("probe", model(tmp_path / "x", case[1]), MALFORMED, "config.json: ")


@pytest.mark.parametrize("case", GENERATION, ids=[f"{c[1][:40]}" for c in GENERATION])
def test_generation(case, tmp_path):
    field, content, code = case
    path = model(tmp_path / "x", files={"generation_config.json": content})
    result = check("probe", path, code, "generation_config.json: ")
    assert f": {field}" in result.err and "limit" in result.err


def test_end_token_beyond(tmp_path):
    """The file that names it is said."""
    path = model(tmp_path / "x", files={"generation_config.json": b'{"eos_token_id": [2, 24]}'})
    check("heddle", path, MALFORMED, "generation_config.json: eos_token_id = 24, limit integer in [0, 23]")


def test_code_is_not_run(tmp_path):
    """Neither modules nor shared objects beside the weights are so much as opened."""
    path = model(tmp_path / "x", files={"modeling.py": b"raise SystemExit(9)", "x.so": b"no ELF"})
    (path / "modeling.py").chmod(0)
    assert run(HEDDLE, "import", path).code == OK


def test_ignored_fields_are_said(tmp_path):
    result = run(HEDDLE, "import", model(tmp_path / "x", sparkle=3))
    assert result.code == OK and result.err.strip().endswith("ignored: config.json 'sparkle'")
