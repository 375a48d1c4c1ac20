"""Small models with experts, trained on the documentation of this tree until they have opinions:
logits of a random model are near each other, those of a trained one are not. As a program:

    python trained.py FAMILY OUT [STEPS]     FAMILY: qwen3_moe or deepseek_v3
"""

import pathlib
import sys

import tokenizers
import torch
from transformers import AutoModelForCausalLM, DeepseekV3Config, Qwen3MoeConfig

ROOT = pathlib.Path(__file__).resolve().parents[2]
VOCAB, LENGTH, BATCH = 320, 64, 8
SHAPE = dict(vocab_size=VOCAB, hidden_size=96, intermediate_size=128, num_attention_heads=4, max_position_embeddings=512,
             initializer_range=0.08, tie_word_embeddings=True, rms_norm_eps=1e-6, num_experts_per_tok=2, moe_intermediate_size=64,
             norm_topk_prob=True, rope_parameters={"rope_type": "default", "rope_theta": 1e4},
             bos_token_id=None, eos_token_id=None, pad_token_id=None)
FAMILIES = {
    "qwen3_moe": lambda: Qwen3MoeConfig(**SHAPE, num_hidden_layers=2, num_key_value_heads=2, head_dim=24,
                                        num_experts=8, router_aux_loss_coef=0.01, output_router_logits=True),
    "deepseek_v3": lambda: DeepseekV3Config(
        **SHAPE, num_hidden_layers=3, num_key_value_heads=4, q_lora_rank=48, kv_lora_rank=32, qk_nope_head_dim=24,
        qk_rope_head_dim=16, v_head_dim=24, n_routed_experts=8, n_shared_experts=1, n_group=4, topk_group=2,
        routed_scaling_factor=1.5, first_k_dense_replace=1),
}


def corpus():
    return "\n".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))


def make_tokenizer(text):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.train_from_iterator([text], tokenizers.trainers.BpeTrainer(
        vocab_size=VOCAB, show_progress=False, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet()))
    assert tokenizer.get_vocab_size() == VOCAB
    return tokenizer


def balance(model):
    """After each step, experts of DeepSeek-V3 that got many tokens are chosen less (arXiv 2408.15664)."""
    def count(gate, _, out):
        if model.training:
            load = torch.bincount(out[2].flatten(), minlength=len(gate.e_score_correction_bias)).float()
            gate.e_score_correction_bias += 0.002 * (load.mean() - load).sign()
    for layer in model.model.layers:
        if hasattr(getattr(layer.mlp, "gate", None), "e_score_correction_bias"):
            layer.mlp.gate.register_forward_hook(count)


def train(family, path, steps, length=None, seed=0):
    """Writes a directory of Hugging Face and gives (the model, its tokenizer, the last loss). `length`: of the
    text, in characters; of a short one a model soon knows some of it by heart."""
    text = corpus()[:length]
    tokenizer = make_tokenizer(text)
    ids = torch.tensor(tokenizer.encode(text).ids)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(FAMILIES[family](), dtype=torch.float32,
                                             attn_implementation="eager").train()
    balance(model)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for _ in range(steps):
        starts = torch.randint(len(ids) - LENGTH, (BATCH,))
        batch = torch.stack([ids[start:start + LENGTH] for start in starts])
        loss = model(batch, labels=batch, use_cache=False).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval()
    model.save_pretrained(path)
    tokenizer.save(str(pathlib.Path(path) / "tokenizer.json"))
    return model, tokenizer, loss.item()


if __name__ == "__main__":
    print("loss", train(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1000)[2])
