"""HunyuanVideo-I2V with random weights: its text encoder also looks at the picture."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import HunyuanVideoImageToVideoPipeline, HunyuanVideoTransformer3DModel
from transformers import CLIPImageProcessor, CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration

from tests.tiny import hunyuan
from tests.tiny.text_encoders import WIDTH

IMAGE_SIDE, PATCH = 28, 14
IMAGE_TOKENS = (IMAGE_SIDE // PATCH) ** 2
IMAGE_TOKEN, HEADER_END = "<image>", "<|end_header_id|>"
# Token by token the shape of the real template, which the pipeline takes apart at its three header ends:
# <s> S <end> <image> U <end> … prompt … A A A <end>
PROMPT_TEMPLATE = {
    "template": f"S{HEADER_END}{IMAGE_TOKEN}U{HEADER_END}{{}}AAA{HEADER_END}",
    "crop_start": 6,
    "image_emb_start": 3,
    "image_emb_end": 3 + IMAGE_TOKENS,
    "image_emb_len": IMAGE_TOKENS,
}


def build(folder: Path) -> Path:
    """Save the pipeline into ``folder``."""
    parts = hunyuan.parts()
    parts["tokenizer"].add_tokens([IMAGE_TOKEN, HEADER_END], special_tokens=True)
    torch.manual_seed(0)
    transformer = HunyuanVideoTransformer3DModel(**hunyuan.TRANSFORMER, image_condition_type="token_replace")
    parts |= {
        "text_encoder": _llava(parts["tokenizer"]),
        "image_processor": CLIPImageProcessor(
            size={"shortest_edge": IMAGE_SIDE}, crop_size={"height": IMAGE_SIDE, "width": IMAGE_SIDE}
        ),
    }
    HunyuanVideoImageToVideoPipeline(transformer=transformer, **parts).save_pretrained(folder)
    return folder


def _llava(tokenizer: object) -> LlavaForConditionalGeneration:
    vision = CLIPVisionConfig(
        hidden_size=8,
        intermediate_size=16,
        projection_dim=WIDTH,
        num_attention_heads=2,
        num_hidden_layers=2,
        image_size=IMAGE_SIDE,
        patch_size=PATCH,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=hunyuan.llama_config(tokenizer),
        pad_token_id=tokenizer.pad_token_id,  # type: ignore[attr-defined]
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),  # type: ignore[attr-defined]
    )
    return LlavaForConditionalGeneration(config).eval()
