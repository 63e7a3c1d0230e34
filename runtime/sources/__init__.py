"""Where frames come from: images, video files, cameras, rendered roads."""
