"""Labelled road data: readers, the plain layout, checks, splits and overlays."""
