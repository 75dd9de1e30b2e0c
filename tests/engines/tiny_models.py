"""Models small enough for a CPU engine, made from configurations; vLLM's CPU attention wants heads of 64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from raqo.sample.weights import BASE_LM_DIR
from raqo.training.models import load_tokenizer, save_model

SEEING = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{{ '<image>' if part['type'] == 'image' else part['text'] }}{% endfor %}{% endfor %}"
)


def tiny_llama(folder: Path) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = load_tokenizer(BASE_LM_DIR)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=256,
        initializer_range=0.2,  # so that the best token is clearly the best
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    save_model(model, tokenizer, folder)
    return model


def lora_adapter(model: Any, folder: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "o_proj"], task_type="CAUSAL_LM")
    adapted = get_peft_model(model, config)
    torch.manual_seed(1)
    for name, weights in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=1.0)
    adapted.save_pretrained(folder, safe_serialization=True)


def tiny_llava(folder: Path) -> None:
    """A CLIP that turns a picture into four tokens, before a Llama."""
    import torch
    from tokenizers import AddedToken
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = load_tokenizer(BASE_LM_DIR)
    tokenizer.add_tokens([AddedToken("<image>", special=True, normalized=False)])
    vision = CLIPVisionConfig(
        hidden_size=128, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, image_size=16, patch_size=8
    )
    language = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=256,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=language,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    torch.manual_seed(0)
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    _name_as_vllm_does(folder / "model.safetensors")
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size=16),
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=SEEING,
    ).save_pretrained(folder)


def _name_as_vllm_does(path: Path) -> None:
    """transformers saves ``vision_tower.*`` where vLLM reads ``vision_tower.vision_model.*``."""
    from safetensors.torch import load_file, save_file

    weights = load_file(path)
    named = {
        name.replace("vision_tower.", "vision_tower.vision_model.") if "vision_model" not in name else name: value
        for name, value in weights.items()
    }
    save_file(named, path, metadata={"format": "pt"})
