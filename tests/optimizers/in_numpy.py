"""A second implementation in NumPy, float64: a tiny network, every rule and its transformations."""

import numpy as np
from scipy.special import log_softmax

MAPS, CLASSES, WINDOW, SIDE = 2, 10, 3, 4
PLACES = [(i, j) for i in range(SIDE - WINDOW + 1) for j in range(SIDE - WINDOW + 1)]
NAMES = [(layer, leaf) for layer in ("conv1", "fc2") for leaf in ("kernel", "bias")]
SHAPES = [(WINDOW, WINDOW, 1, MAPS), (MAPS,), (len(PLACES) * MAPS, CLASSES), (CLASSES,)]
SIZES = [int(np.prod(shape)) for shape in SHAPES]
BIASES = np.repeat([0, 1, 0, 1], SIZES).astype(bool)
DAMPING = {"newton": 3.0, "kfac": 0.1}
TRUST = 0.1  # kernels go as far as biases then
KL_CLIP, EVERY = 1e-3, {"kfac": 2, "stochastic_diagonal_lm": 3}


def flat(params):
    """Return the network's parameters as one vector."""
    return np.concatenate([np.ravel(params[layer][leaf]).astype(float) for layer, leaf in NAMES])


def parts(w):
    """[n] -> the four arrays."""
    cut = np.split(w, np.cumsum(SIZES)[:-1])
    return [part.reshape(shape) for part, shape in zip(cut, SHAPES, strict=True)]


class Net:
    """Convolution, tanh, classifier; the mean cross-entropy of one batch, and its derivatives."""

    def __init__(self, images, labels):
        windows = [images[:, i : i + WINDOW, j : j + WINDOW, 0] for i, j in PLACES]
        self.windows = np.stack(windows, 1).reshape(len(images), len(PLACES), -1)
        self.labels, self.n = np.eye(CLASSES)[labels], len(images)

    def forward(self, w):
        kernel, bias, weights, offset = parts(w)
        x = np.tanh(self.windows @ kernel.reshape(-1, MAPS) + bias)
        return x, log_softmax(x.reshape(self.n, -1) @ weights + offset, 1)

    def value(self, w):
        return -(self.labels * self.forward(w)[1]).sum() / self.n

    def back(self, w):
        """Return what stands at the two layers' outputs: the gradient with respect to them."""
        x, logs = self.forward(w)
        at_logits = (np.exp(logs) - self.labels) / self.n
        at_conv = (at_logits @ parts(w)[2].T).reshape(x.shape) * (1 - x**2)
        return x, at_conv, at_logits

    def gradient(self, w):
        x, at_conv, at_logits = self.back(w)
        kernel = np.einsum("npk,npm->km", self.windows, at_conv)
        weights = x.reshape(self.n, -1).T @ at_logits
        made = kernel, at_conv.sum((0, 1)), weights, at_logits.sum(0)
        return np.concatenate([np.ravel(part) for part in made])

    def hessian(self, w, step=1e-5):
        """By central differences of the gradient."""
        rows = [self.gradient(w + d) - self.gradient(w - d) for d in step * np.eye(len(w))]
        return np.array(rows) / (2 * step)

    def diagonal(self, w):
        """LeCun et al. 1998, appendix C: back as a gradient, every factor squared."""
        x, logs = self.forward(w)
        p = np.exp(logs)
        at_logits = p * (1 - p) / self.n
        at_conv = (at_logits @ (parts(w)[2] ** 2).T).reshape(x.shape) * (1 - x**2) ** 2
        kernel = np.einsum("npk,npm->km", self.windows**2, at_conv)
        weights = (x.reshape(self.n, -1) ** 2).T @ at_logits
        made = kernel, at_conv.sum((0, 1)), weights, at_logits.sum(0)
        return np.concatenate([np.ravel(part) for part in made])

    def factors(self, w):
        """Return A and G of both layers, of the labels that there are."""
        x, at_conv, at_logits = self.back(w)
        found = []
        for a, g in ((self.windows, at_conv), (x.reshape(self.n, 1, -1), at_logits[:, None])):
            a = np.concatenate([a, np.ones_like(a[..., :1])], -1).reshape(-1, a.shape[-1] + 1)
            g = self.n * g.reshape(-1, g.shape[-1])
            found.append((a.T @ a / self.n, g.T @ g / len(a)))
        return found


def first_order(rule, g, rate, s, t):
    """Return the update of a rule that sees the gradient alone; s is its memory, t from 1."""
    if rule == "sgd":
        return -rate * g
    if rule in ("momentum", "nesterov"):
        old, s["v"] = s.get("v", 0 * g), 0.9 * s.get("v", 0) - rate * g
        return s["v"] if rule == "momentum" else s["v"] + 0.9 * (s["v"] - old)
    if rule == "adagrad":
        s["v"] = s.get("v", 0) + g**2
        return -rate * g / (np.sqrt(s["v"]) + 1e-7)
    if rule == "rmsprop":
        s["v"] = 0.9 * s.get("v", 0) + 0.1 * g**2
        return -rate * g / (np.sqrt(s["v"]) + 1e-7)
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g**2
    m, v = s["m"], s["v"]
    if rule == "adam":
        m, v = m / (1 - 0.9**t), v / (1 - 0.999**t)
    return -rate * m / (np.sqrt(v) + 1e-7)


def lars(g, w, rate, s, beta, touched):
    step = g + beta * touched * w
    for begin, size, shape in zip(np.cumsum([0, *SIZES[:-1]]), SIZES, SHAPES, strict=True):
        at = slice(begin, begin + size)
        if len(shape) > 1:
            of_w, of_g = np.linalg.norm(w[at]), np.linalg.norm(g[at])
            step[at] *= TRUST * of_w / (of_g + beta * of_w)
    s["v"] = 0.9 * s.get("v", 0) - rate * step
    return s["v"]


def kfac(net, g, w, rate, s, t):
    """By solving with the Kronecker product itself."""
    keep = min(1 - 1 / t, 0.95)
    new = net.factors(w)
    old = s.get("mean", new)
    s["mean"] = [
        [keep * a + (1 - keep) * b for a, b in zip(*p, strict=True)]
        for p in zip(old, new, strict=True)
    ]
    if (t - 1) % EVERY["kfac"] == 0:
        s["used"] = s["mean"]
    natural, length = [], 0.0
    of_layers = np.split(g, [SIZES[0] + SIZES[1]])
    for part, (a, b), units in zip(of_layers, s["used"], (MAPS, CLASSES), strict=True):
        pi = np.sqrt(np.trace(a) / len(a) / (np.trace(b) / len(b)))
        a = a + pi * np.sqrt(DAMPING["kfac"]) * np.eye(len(a))
        b = b + np.sqrt(DAMPING["kfac"]) / pi * np.eye(units)
        natural.append(np.linalg.solve(np.kron(a, b), part))
        length += natural[-1] @ part
    clip = min(1, np.sqrt(2 * KL_CLIP / (rate**2 * length)) if rate else 1)
    s["v"] = 0.9 * s.get("v", 0) - rate * clip * np.concatenate(natural)
    return s["v"]


def inverse(pairs, n, scale):
    """Return BFGS's inverse Hessian from pairs (s, y), in the product form."""
    h = scale * np.eye(n)
    for step, change in pairs:
        rho = 1 / (step @ change)
        left = np.eye(n) - rho * np.outer(step, change)
        h = left @ h @ left.T + rho * np.outer(step, step)
    return h


def searched(rule, f, g, w, s, moved):
    """Return the update of a line search along the direction of NumPy's own pairs.

    Its length is the program's, `moved`; that it satisfies the strong Wolfe conditions is checked.
    """
    pairs = s.setdefault("pairs", [])
    if "w" in s:
        pairs.append((w - s["w"], g - s["g"]))
    s["w"], s["g"] = w, g
    towards = g * min(1, 1 / np.linalg.norm(g))
    if pairs:
        step, change = pairs[0 if rule == "bfgs" else -1]
        towards = inverse(pairs[-10:], len(w), step @ change / (change @ change)) @ g
    length = -(moved @ towards) / (towards @ towards)
    value, slope = f(w)[0], -(g @ towards)
    after, g_after = f(w - length * towards)
    noise = 1e-6 * abs(value)  # the program's values may be float32
    assert after <= value + 1e-4 * length * slope + noise, "no sufficient decrease"
    assert abs(g_after @ towards) <= 0.9 * abs(slope) + noise, "too steep where it ends"
    return -length * towards
