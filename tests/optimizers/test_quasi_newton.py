"""BFGS and L-BFGS against their definitions, against each other, and against scipy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import optimize
from scipy.sparse import linalg

from cnn_history import optimizers
from cnn_history.optimizers import size
from cnn_history.optimizers.bfgs import inverse_update, scale_by_bfgs
from cnn_history.optimizers.lbfgs import scale_by_lbfgs
from tests.optimizers import problems

RULES = {"bfgs": optimizers.bfgs, "lbfgs": optimizers.lbfgs}
DIRECTIONS = {"bfgs": scale_by_bfgs, "lbfgs": lambda: scale_by_lbfgs(20)}


def pairs(n, count):
    """Return steps and changes of the gradient, [count, n], of a positive definite quadratic."""
    a, _ = problems.quadratic(n)
    steps = np.random.default_rng(1).normal(size=(count, n))
    return steps, steps @ a


def test_the_inverse_is_scipys_and_its_update_of_rank_2():
    steps, changes = pairs(8, 12)
    theirs = optimize.BFGS(init_scale=1.0)
    theirs.initialize(8, "inv_hess")
    ours = [np.eye(8)]
    with jax.enable_x64(True):
        for step, change in zip(steps, changes, strict=True):
            ours.append(np.asarray(inverse_update(*map(jnp.asarray, (ours[-1], step, change)))))
    for before, after, step, change in zip(ours, ours[1:], steps, changes, strict=False):
        theirs.update(step, change)
        np.testing.assert_allclose(after, theirs.get_matrix(), rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(after @ change, step, rtol=1e-8, atol=1e-8)  # secant
        np.testing.assert_array_equal(after, after.T)
        assert np.linalg.eigvalsh(after)[0] > 0
        assert np.linalg.matrix_rank(after - before, tol=1e-8) == 2


def test_the_first_inverse_is_scaled_to_the_first_pair():
    """Nocedal & Wright 2006, eq. 6.20."""
    a, _ = problems.quadratic(5)
    before, after = np.random.default_rng(2).normal(size=(2, 5))
    with jax.enable_x64(True):
        rule = DIRECTIONS["bfgs"]()
        state = rule.init(jnp.asarray(before))
        for w in (before, after):
            _, state = rule.update(jnp.asarray(a @ w), state, jnp.asarray(w))
        step, change = after - before, a @ (after - before)
        first = step @ change / (change @ change) * np.eye(5)
        expected = inverse_update(*map(jnp.asarray, (first, step, change)))
    np.testing.assert_allclose(state.inverse, expected, rtol=1e-9)


def exactly(a, b):
    """The line search that a quadratic allows: its minimum along the direction."""

    def update(updates, state, params, **extra):
        del extra
        along = updates @ (b - a @ params) / (updates @ a @ updates)
        return along * updates, state

    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_quadratic_takes_n_steps_which_are_those_of_conjugate_gradients(name):
    n = 8
    a, b = problems.quadratic(n)
    theirs = [np.zeros(n)]
    linalg.cg(a, b, rtol=1e-14, callback=lambda w: theirs.append(w.copy()))
    with jax.enable_x64(True):
        matrix, vector = jnp.asarray(a), jnp.asarray(b)
        rule = optax.chain(DIRECTIONS[name](), exactly(matrix, vector))
        bowl = functools.partial(problems.bowl, matrix, vector)
        seen, _ = problems.path(rule, bowl, jnp.zeros(n), n)
    np.testing.assert_allclose(seen, theirs[: n + 1], rtol=1e-6, atol=1e-6)
    assert np.linalg.norm(a @ seen[n] - b) < 1e-8 * np.linalg.norm(b)
    assert np.linalg.norm(a @ seen[n - 1] - b) > 1e-4 * np.linalg.norm(b)


@functools.cache
def rosenbrock(name):
    """Return parameters, values and gradients on the way to the minimum, and the last state."""
    with jax.enable_x64(True):
        start = jnp.asarray([-1.2, 1.0])
        seen, state = problems.path(RULES[name](), problems.rosenbrock, start, 45)
        made = jax.vmap(jax.value_and_grad(problems.rosenbrock))(jnp.asarray(seen))
        return seen, *jax.device_get(made), state


@pytest.mark.parametrize("memory", [3, 12])
def test_lbfgs_is_bfgs_over_the_last_pairs(memory):
    """From the newest pair's scale; with all pairs, one that forgot none."""
    seen, _, gradients, _ = rosenbrock("lbfgs")
    rule = scale_by_lbfgs(memory)
    with jax.enable_x64(True):
        state = rule.init(jnp.zeros(2))
        for w, gradient in zip(seen[:13], gradients[:13], strict=True):
            direction, state = rule.update(jnp.asarray(gradient), state, jnp.asarray(w))
        pairs = np.diff(seen[:13], axis=0)[-memory:], np.diff(gradients[:13], axis=0)[-memory:]
        step, change = (pair[-1] for pair in pairs)
        inverse = jnp.eye(2) * (step @ change) / (change @ change)
        for step, change in zip(*pairs, strict=True):
            inverse = inverse_update(inverse, jnp.asarray(step), jnp.asarray(change))
        # The matrix takes up the rounding of ill-conditioned pairs.
        np.testing.assert_allclose(direction, inverse @ gradient, rtol=1e-6)


@pytest.mark.parametrize(("name", "bits"), [("bfgs", 64), ("lbfgs", 32)])
def test_optimum_on_digits_is_scipys(name, bits):
    method = {"bfgs": "BFGS", "lbfgs": "L-BFGS-B"}[name]
    with jax.enable_x64(bits == 64):
        start = jnp.zeros((64, problems.CLASSES), f"float{bits}")
        seen, _ = problems.path(RULES[name](), problems.logistic, start, 80)
    assert seen.dtype == f"float{bits}"
    wanted = optimize.minimize(
        problems.logistic_gradient,
        np.zeros(seen[0].size),
        jac=True,
        method=method,
        options={"gtol": 1e-8} | ({"ftol": 1e-15} if name == "lbfgs" else {}),
    )
    # The gradient's rounding over the smallest curvature, the decay of 0.01.
    tolerance = 1e-3 if bits == 32 else 1e-5
    np.testing.assert_allclose(seen[-1].ravel(), wanted.x, atol=tolerance)


@pytest.mark.parametrize("name", RULES)
def test_rosenbrock(name):
    """Never uphill, to the minimum, in as many steps as scipy, more or less."""
    seen, values, _, _ = rosenbrock(name)
    assert np.all(np.diff(values) <= 0)
    np.testing.assert_allclose(seen[-1], 1, atol=1e-10)
    theirs = optimize.minimize(optimize.rosen, [-1.2, 1.0], jac=optimize.rosen_der, method="BFGS")
    np.testing.assert_allclose(theirs.x, seen[-1], atol=1e-6)
    steps = int(np.argmax(values < 1e-10))
    assert 0.7 * theirs.nit < steps < 1.3 * theirs.nit


@pytest.mark.parametrize("name", RULES)
def test_a_step_satisfies_the_strong_wolfe_conditions(name):
    """The slope along it too, on the way, where rounding is far below it."""
    seen, values, gradients, _ = (x[:25] for x in rosenbrock(name))
    steps = np.diff(seen, axis=0)
    before = np.sum(steps * gradients[:-1], 1)
    assert np.all(before < 0)
    assert np.all(values[1:] <= values[:-1] + 1e-4 * before)
    assert np.all(np.abs(np.sum(steps * gradients[1:], 1)) <= -0.9 * before)


def finite(tree):
    """Say whether all is, but what optax writes as infinite: `not known`."""
    known = tree._replace(search=tree.search.learning_rate)
    return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(known))


@functools.cache
def one(name):
    """Return (state, w) -> update and state of one step on Rosenbrock's function.

    A third argument is what to add to its value, a fourth what to multiply its gradient by.
    """
    rule, function = RULES[name](), problems.rosenbrock

    @jax.jit
    def step(state, w, added=0.0, factor=1.0):
        value, grad = jax.value_and_grad(function)(w)
        value, grad = value + added, grad * factor
        return rule.update(grad, state, w, value=value, grad=grad, value_fn=function)

    return step


@pytest.mark.parametrize("name", RULES)
def test_what_is_not_finite_moves_nothing_and_is_forgotten(name):
    step, w = one(name), jnp.asarray([-1.2, 1.0])
    _, state = step(RULES[name]().init(w), w)
    for wrong in ((np.nan, 1.0), (0.0, np.nan), (0.0, np.inf)):
        updates, after = step(state, w, *wrong)
        assert not updates.any()
        assert float(optimizers.applied_rate(after)) == 0
        assert finite(after)
        updates, _ = step(after, w)
        assert problems.rosenbrock(w + updates) < problems.rosenbrock(w)


def test_it_stays_where_the_function_is_defined():
    """-log(1 - w) and steps of 1 that lead beyond 1: the search comes back from there."""

    def barrier(w):
        return jnp.sum(-jnp.log(1 - w) - 20 * w)

    seen, state = problems.path(optimizers.bfgs(), barrier, jnp.asarray([0.0, 0.9]), 15)
    np.testing.assert_allclose(seen[-1], 0.95, rtol=1e-4)  # 1 / (1 - w) = 20
    assert finite(state)


@pytest.mark.parametrize("name", RULES)
def test_at_the_optimum_it_stays(name):
    w = jnp.ones(2)
    updates, state = one(name)(RULES[name]().init(w), w)
    assert not updates.any()
    assert finite(state)


@pytest.mark.parametrize("name", RULES)
def test_no_step_is_taken_where_each_raises_the_value(name):
    """The gradient points down, as another batch's may, and every trial of the search is higher."""
    w, gradient = jnp.zeros(3), jnp.ones(3)
    rule = RULES[name]()
    updates, _ = rule.update(
        gradient,
        rule.init(w),
        w,
        value=jnp.zeros(()),
        grad=gradient,
        value_fn=lambda w: 1 + jnp.sum(w**2),
    )
    np.testing.assert_array_equal(updates, 0)


@pytest.mark.parametrize("name", RULES)
def test_uphill_is_not_gone(name):
    """After a gradient that points the wrong way, as another batch's may."""
    w = jnp.asarray([-1.2, 1.0])
    updates, _ = one(name)(RULES[name]().init(w), w, factor=-1.0)
    assert problems.rosenbrock(w + updates) <= problems.rosenbrock(w)
    np.testing.assert_allclose(updates, 0, atol=1e-6)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_pair_without_curvature_leaves_a_descent(name):
    """Of two batches with different losses: the gradient falls along the step."""
    rule, w = DIRECTIONS[name](), jnp.asarray([1.0, 1.0])
    _, state = rule.update(jnp.asarray([1.0, 0.2]), rule.init(w), w)
    _, state = rule.update(jnp.asarray([1.2, 0.3]), state, w + 0.1)
    gradient = jnp.asarray([0.5, -0.4])
    direction, state = rule.update(gradient, state, w + 0.2)
    assert gradient @ direction > 0
    if name == "bfgs":
        assert int(state.pairs) == 1


TOO_LARGE = [
    ("bfgs", optimizers.bfgs(), 138_357_544, "inverse Hessian of 138,357,544 .* 76.6 PB"),
    ("bfgs", optimizers.bfgs(), 61_706, "15.2 GB; .* 45.7 GB, more than largest_gb=4"),
    ("bfgs", optimizers.bfgs(), 18_258, "4.0 GB, more than largest_gb=4"),
    ("newton", optimizers.newton(solver="exact"), 138_357_544, "76.6 PB"),
]


@pytest.mark.parametrize(("name", "rule", "n", "message"), TOO_LARGE)
def test_too_large_is_refused_with_its_number(name, rule, n, message):
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        jax.eval_shape(rule.init, jax.ShapeDtypeStruct((n,), jnp.float32))


def test_what_needs_no_matrix_is_never_too_large():
    vgg16 = jax.ShapeDtypeStruct((138_357_544,), jnp.float32)
    jax.eval_shape(optimizers.newton().init, vgg16)
    state = jax.eval_shape(optimizers.lbfgs(10).init, vgg16)
    assert optax.tree.size(state) < 23.1 * vgg16.size  # 2 m + 3, as its docstring says


def test_more_is_allowed_by_saying_so():
    with pytest.raises(ValueError, match="64 bytes"):
        optimizers.bfgs(largest_gb=1e-9).init(jnp.zeros(4))
    optimizers.bfgs(largest_gb=2e-7).init(jnp.zeros(4))


@pytest.mark.parametrize("rule", [optimizers.bfgs(), optimizers.newton(solver="exact")])
def test_the_matrices_of_a_step_are_those_that_are_bounded(rule):
    """As XLA lays out the memory of a step that goes back where a value is not finite."""
    n = 400

    def step(w, state):
        value, grad = jax.value_and_grad(bowl)(w)
        updates, new = rule.update(grad, state, w, value=value, grad=grad, value_fn=bowl)
        fine = jnp.isfinite(value)
        return jax.tree.map(lambda a, b: jnp.where(fine, a, b), (w + updates, new), (w, state))

    def bowl(w):
        return jnp.sum(jnp.arange(1.0, n + 1) * (w - 1) ** 2)

    w = jnp.zeros(n)
    compiled = jax.jit(step, donate_argnums=(0, 1)).lower(w, rule.init(w)).compile()
    memory = compiled.memory_analysis()
    held = (memory.argument_size_in_bytes + memory.temp_size_in_bytes) / (4 * n**2)
    assert size.HELD - 0.1 < held < size.HELD + 0.2  # and vectors


@pytest.mark.parametrize("name", ["newton", "bfgs", "lbfgs"])
def test_bfloat16_parameters_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} takes parameters of float32 or float64, not bf"):
        optimizers.OPTIMIZERS[name](1.0).init({"w": jnp.zeros(3, jnp.bfloat16)})
