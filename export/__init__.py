"""Checkpoint → ONNX → simplified → INT8, each step verified against the one before."""
