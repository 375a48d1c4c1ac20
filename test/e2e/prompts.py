"""What the end-to-end tests let models continue."""

# Their token ids come from transformers; no Heddle code is involved.
PROMPTS = (
    "The capital of France is",
    "def fibonacci(n):\n",
    "Once upon a time, in a village by the sea,",
    "2 + 2 =",
    "Water boils at a temperature of",
)
GREEDY = 64


def ids(tokens):
    return "--tokens=" + ",".join(str(token) for token in tokens)
