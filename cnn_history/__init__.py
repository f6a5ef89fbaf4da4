"""The convolutional networks from LeNet-5 to ResNet as they were published, in JAX."""
