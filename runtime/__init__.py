"""From a camera's frame to a mask: sources, engines, kernels, the pipeline and its sinks.

The base layer: it imports no other part of roadseg, and never torch.
"""
