"""Names of the activation functions that a configuration may name; those with weights of their own are not among
them. Listed here so that a configuration is checked without importing torch."""

#: transformers' (`transformers.activations.ACT2FN`).
TRANSFORMER_ACTIVATIONS = frozenset(
    {
        "gelu", "gelu_10", "gelu_accurate", "gelu_fast", "gelu_new", "gelu_python", "gelu_python_tanh",
        "gelu_pytorch_tanh", "hardswish", "laplace", "leaky_relu", "linear", "mish", "quick_gelu", "relu", "relu2",
        "relu6", "sigmoid", "silu", "swish", "tanh",
    }
)  # fmt: skip
#: diffusers' (`diffusers.models.activations.get_activation`).
AUTOENCODER_ACTIVATIONS = frozenset({"swish", "silu", "mish", "gelu", "relu"})
