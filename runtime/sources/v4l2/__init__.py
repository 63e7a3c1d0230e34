"""Cameras by V4L2, the kernel's own interface: the frame is a view of the driver's buffer.

    name ─► device node ─► format, size and rate ─► buffers ─► frames
    cameras.py             negotiation.py           memory.py  source.py

Only source.py and what it needs is imported when a camera is opened.
"""
