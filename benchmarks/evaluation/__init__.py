"""Evaluation of masks and probabilities against labels, a measure a file; without torch."""
