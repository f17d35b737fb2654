"""Learning: backbones, embeddings, training, evaluation. The only room, with `mobile`, that uses TensorFlow."""
