"""``protem demo``: the main job from asking to proof, on embedded parts, as a story."""
