"""The values that pass between steps. Only `texture` and `material` import torch."""
