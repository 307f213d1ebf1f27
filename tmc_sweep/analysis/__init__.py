"""What needs a trained model: bounds with many samples, reconstructions and latents, stored as artefact tables."""
