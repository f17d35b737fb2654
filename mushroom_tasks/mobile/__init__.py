"""From a Keras model to the bundle a phone loads, and predictions from that bundle."""
