"""Networks, losses, augmentation and the training loop."""
