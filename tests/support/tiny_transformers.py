"""Transformers of a few thousand random weights and a few words, as folders on disk."""

import functools
import json
import tempfile
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WIDTH, INNER, HEADS = 16, 32, 2


_TEXTS = "how long is river ? write verse on the sea . sort who are you"
TOPIC_WORDS = tuple(_TEXTS.split(" "))


@functools.cache
def _kept():
    """A folder that is there until the tests end."""
    return tempfile.TemporaryDirectory(prefix="tiny-transformers-")


@functools.cache
def topic_encoder():
    """The path of an encoder that knows the words of three topics."""
    return str(write_encoder(Path(_kept().name) / "encoder", TOPIC_WORDS, layers=1))


@functools.cache
def topic_causal_lm():
    """The path of a causal language model that knows the words of three topics."""
    return str(write_causal_lm(Path(_kept().name) / "causal_lm", TOPIC_WORDS, layers=1))


def write_encoder(folder, words, *, layers=2, window=32, seed=0):
    """A BERT that knows these words, with a tokenizer that lowers case."""
    vocabulary = [*SPECIAL, *words]
    _write_tokenizer(folder, vocabulary, window)
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": len(vocabulary),
        "hidden_size": WIDTH,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "max_position_embeddings": window,
        "type_vocab_size": 2,
        "pad_token_id": 0,
    }
    shapes = {
        "embeddings.word_embeddings.weight": (len(vocabulary), WIDTH),
        "embeddings.position_embeddings.weight": (window, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
    }
    shapes |= _norm("embeddings.LayerNorm") | _dense("pooler.dense", WIDTH, WIDTH)
    for layer in range(layers):
        here = f"encoder.layer.{layer}"
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            shapes |= _dense(f"{here}.attention.{name}", WIDTH, WIDTH)
        shapes |= _norm(f"{here}.attention.output.LayerNorm") | _norm(f"{here}.output.LayerNorm")
        shapes |= _dense(f"{here}.intermediate.dense", INNER, WIDTH)
        shapes |= _dense(f"{here}.output.dense", WIDTH, INNER)
    _write_model(folder, config, shapes, seed)
    return folder


def write_causal_lm(folder, words, *, layers=2, window=64, tied=False, seed=0):
    """A Llama that knows these words."""
    vocabulary = [*SPECIAL, *words]
    _write_tokenizer(folder, vocabulary, window)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(vocabulary),
        "hidden_size": WIDTH,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "intermediate_size": INNER,
        "max_position_embeddings": window,
        "tie_word_embeddings": tied,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "pad_token_id": 0,
    }
    shapes = {
        "model.embed_tokens.weight": (len(vocabulary), WIDTH),
        "model.norm.weight": (WIDTH,),
    }
    if not tied:
        shapes["lm_head.weight"] = (len(vocabulary), WIDTH)
    for layer in range(layers):
        here = f"model.layers.{layer}"
        shapes |= {f"{here}.self_attn.{name}_proj.weight": (WIDTH, WIDTH) for name in "qkvo"}
        shapes |= {f"{here}.mlp.{name}_proj.weight": (INNER, WIDTH) for name in ("gate", "up")}
        shapes[f"{here}.mlp.down_proj.weight"] = (WIDTH, INNER)
        shapes |= {
            f"{here}.{name}.weight": (WIDTH,)
            for name in ("input_layernorm", "post_attention_layernorm")
        }
    _write_model(folder, config, shapes, seed)
    return folder


def _dense(name, out, into):
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def _norm(name):
    return {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}


def _write_model(folder, config, shapes, seed):
    from safetensors.numpy import save_file

    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes.items():
        if len(shape) == 1:
            weights[name] = np.full(shape, 0.0 if name.endswith("bias") else 1.0, np.float32)
        else:
            spread = 0.05 if "embed" in name else 0.3
            weights[name] = rng.normal(0.0, spread, shape).astype(np.float32)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def _write_tokenizer(folder, vocabulary, window):
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {word: number for number, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(token, numbers[token]) for token in ("[CLS]", "[SEP]")],
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.enable_padding(length=window)  # as many published ones do
    tokenizer.enable_truncation(window)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = ("pad_token", "unk_token", "cls_token", "sep_token")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": window,
        **dict(zip(names, SPECIAL, strict=True)),
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
