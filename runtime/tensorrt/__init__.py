"""TensorRT: plans built from ONNX artefacts, kept, checked against this machine, and opened."""
