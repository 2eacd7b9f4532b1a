"""The names of SegFormer's checkpoints: the paper's, and those of Hugging Face's library."""

from __future__ import annotations

from torch import Tensor

from segkit.nn.renaming import Layout, State
from segkit_baselines.renamings import under

OWN = (
    *under(
        "backbone.block{i}.{j}.",
        "stages.{i-1}.blocks.{j}.",
        ("attn.proj", "attention.out"),
        ("attn.sr", "attention.reduce"),
        ("attn", "attention"),
        ("mlp.dwconv.dwconv", "mlp.dw"),
        ("mlp", "mlp"),
        ("norm1", "norm1"),
        ("norm2", "norm2"),
    ),
    ("backbone.patch_embed{i}.proj", "stages.{i-1}.embed"),
    ("backbone.patch_embed{i}.norm", "stages.{i-1}.embed_norm"),
    ("backbone.norm{i}", "stages.{i-1}.norm"),
    ("decode_head.linear_c{i}.proj", "project.{i-1}"),
    ("decode_head.linear_fuse.conv", "fuse.0"),
    ("decode_head.linear_fuse.bn", "fuse.1"),
    ("decode_head.linear_pred", "head"),
)
SELF, HERE = "segformer.encoder.block.{i}.{j}.", "stages.{i}.blocks.{j}."
HUGGING_FACE = (
    *under(
        SELF,
        HERE,
        ("attention.self.query", "attention.q"),
        ("attention.self.key", "attention.kv[0]"),
        ("attention.self.value", "attention.kv[1]"),
        ("attention.self.sr", "attention.reduce"),
        ("attention.self.layer_norm", "attention.norm"),
        ("attention.output.dense", "attention.out"),
        ("mlp.dense1", "mlp.fc1"),
        ("mlp.dense2", "mlp.fc2"),
        ("mlp.dwconv.dwconv", "mlp.dw"),
        ("layer_norm_1", "norm1"),
        ("layer_norm_2", "norm2"),
    ),
    ("segformer.encoder.patch_embeddings.{i}.proj", "stages.{i}.embed"),
    ("segformer.encoder.patch_embeddings.{i}.layer_norm", "stages.{i}.embed_norm"),
    ("segformer.encoder.layer_norm.{i}", "stages.{i}.norm"),
    ("decode_head.linear_c.{i}.proj", "project.{i}"),
    ("decode_head.linear_fuse", "fuse.0"),
    ("decode_head.batch_norm", "fuse.1"),
    ("decode_head.classifier", "head"),
)
IGNORED = (r"decode_head\.conv_seg\..*",)  # a classifier of its framework that nothing calls
LAYOUTS = {"original": Layout(*OWN, ignored=IGNORED), "huggingface": Layout(*HUGGING_FACE)}


def from_mit(state: State) -> dict[str, Tensor]:
    """The encoder alone, as it was trained on ImageNet, under our names."""
    return LAYOUTS["huggingface"].to_segkit(state)
