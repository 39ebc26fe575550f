"""Towers, tokenizers, the training stream's order, augmentation, schedule and the step."""
