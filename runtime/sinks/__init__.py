"""Where masks go: overlay video, PNG masks, JSON lines, a window."""
