"""The keys of a training configuration: what each is translated to, and those that change no result or are retired."""

from __future__ import annotations

from typing import Any

PREFIX = "single_label_classification"
METHODS = {
    "": "ce",
    "_dimp": "dimp",
    "_myloss_v2": "dimp",
    "_imp": "imp",
    "_myloss_importance": "imp",
    "_distillation": "quality-only",
    "_focalloss": "focal(gamma=1,detach=True)",  # the project's FocalLoss: gamma 1, no gradient through the factor
}
SETTINGS = {
    "learning_rate": "lr",
    "per_device_train_batch_size": "batch_size",
    "num_train_epochs": "epochs",
    "max_seq_length": "max_length",
    "weight_decay": "weight_decay",
    "max_train_samples": "generated_rows",
}
DEFAULTS = {"learning_rate": 5e-5, "per_device_train_batch_size": 128, "num_train_epochs": 3.0, "max_seq_length": 128}
# Keys that would change the result: accepted only with the values with which every cell is trained.
FIXED: dict[str, tuple[Any, ...]] = {
    "adam_beta1": (0.9,),
    "adam_beta2": (0.999,),
    "adam_epsilon": (1e-8,),
    "config_name": (None,),
    "data_seed": (None,),
    "dataloader_drop_last": (False,),
    "full_determinism": (False,),
    "gradient_accumulation_steps": (1,),
    "label_smoothing_factor": (0, 0.0),
    "lr_scheduler_type": ("linear",),
    "max_eval_samples": (None,),
    "max_predict_samples": (None,),
    "max_steps": (-1, None),
    "model_revision": ("main", None),
    "metric_for_best_model": ("accuracy", "eval_accuracy", None),
    "optim": ("adamw_torch", "adamw_torch_fused", "adamw_hf"),  # the last has another epsilon, 1e-8 too
    "tokenizer_name": (None,),
    "train_sampling_strategy": ("random",),
}
# Keys that change no result: logging, saving, padding, devices, logins.
QUIET = """
average_tokens_across_devices cache_dir dataloader_in_order dataloader_num_workers dataloader_pin_memory ddp_timeout
disable_tqdm eval_delay eval_do_concat_batches eval_steps eval_strategy evaluation_strategy fp16_backend
fp16_opt_level greater_is_better half_precision_backend hub_model_id hub_strategy ignore_mismatched_sizes
include_num_input_tokens_seen length_column_name local_rank log_level log_level_replica log_on_each_node logging_dir
logging_first_step logging_nan_inf_filter logging_steps logging_strategy name no_cuda overwrite_cache
overwrite_output_dir pad_to_max_length past_index per_device_eval_batch_size preprocessing_num_workers project
push_to_hub ray_scope remove_unused_columns run_name save_safetensors save_steps save_strategy save_total_limit
skip_memory_metrics task_name trackio_space_id use_auth_token use_cpu use_fast_tokenizer wandb_project
"""
IGNORED = frozenset(QUIET.split())
# Keys that the project itself declared and never read.
RETIRED = dict.fromkeys(
    ("dataset_name", "dataset_config_name"),
    "give train_file, validation_file and test_file, each a file, a folder or a data set of the hub",
)
# The files of a data set on W&B; the first that is there is taken.
STORED = {
    "train": "train.json",
    "validation": "val.json|valid.json|validation.json|dev.json",
    "test": "test.json",
    "augmented_train": "generated.json|augmented.json|train.json",
}
