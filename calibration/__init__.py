"""INT8 ranges: which frames, which scales, which layers stay float."""
