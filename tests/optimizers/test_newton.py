"""Newton's method against its formulas in NumPy, and against scipy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from cnn_history import optimizers
from cnn_history.optimizers.newton import conjugate_gradients, hessian, solve
from tests.optimizers import problems

SOLVERS = ("exact", "cg")


@pytest.mark.parametrize(
    ("solver", "bits", "tolerance"),
    [("exact", 64, 1e-12), ("exact", 32, 1e-4), ("cg", 64, 1e-5), ("cg", 32, 1e-4)],
)
def test_a_quadratic_takes_one_step(solver, bits, tolerance):
    """The gradient after it is of the solver's residual, 1e-5, or rounding times condition."""
    a, b = problems.quadratic(6)
    with jax.enable_x64(bits == 64):
        matrix, vector = (jnp.asarray(x, f"float{bits}") for x in (a, b))
        rule = optimizers.newton(solver=solver)
        bowl = functools.partial(problems.bowl, matrix, vector)
        seen, _ = problems.path(rule, bowl, jnp.ones_like(vector), 1)
    assert seen.dtype == f"float{bits}"
    before, after = (np.linalg.norm(a @ w - b) for w in seen)
    assert after < tolerance * before


def test_hessian_of_rosenbrock():
    with jax.enable_x64(True):
        x, y = at = jnp.asarray([0.5, -2.0])
        found = hessian(jax.grad(problems.rosenbrock), at)
        wanted = [[1200 * x**2 - 400 * y + 2, -400 * x], [-400 * x, 200]]
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_hessian_goes_over_every_column():
    """More columns than are made at a time, and no multiple of them."""
    a, _ = problems.quadratic(150)
    found = hessian(lambda w: jnp.asarray(a) @ w, jnp.zeros(150))
    np.testing.assert_allclose(found, np.float32(a), atol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_iterates_on_digits(solver):
    """Damped, with a rate: those of NumPy. By conjugate gradients, to their residual."""
    rule = optimizers.newton(0.5, damping=0.1, solver=solver)
    with jax.enable_x64(True):
        seen, _ = problems.path(rule, problems.logistic, jnp.zeros((64, problems.CLASSES)), 5)
    w = np.zeros(64 * problems.CLASSES)
    for found in seen:
        np.testing.assert_allclose(
            found.ravel(), w, rtol=0, atol=1e-12 if solver == "exact" else 1e-5
        )
        _, gradient = problems.logistic_gradient(w)
        matrix = problems.logistic_hessian(w) + 0.1 * np.eye(w.size)
        w = w - 0.5 * np.linalg.solve(matrix, gradient)


@pytest.mark.parametrize("bits", [32, 64])
def test_optimum_on_digits_is_scipys(bits):
    with jax.enable_x64(bits == 64):
        start = jnp.zeros((64, problems.CLASSES), f"float{bits}")
        seen, _ = problems.path(optimizers.newton(), problems.logistic, start, 8)
    wanted = optimize.minimize(
        problems.logistic_gradient,
        np.zeros(seen[0].size),
        jac=True,
        hess=problems.logistic_hessian,
        method="trust-exact",
        options={"gtol": 1e-11},
    )
    # The gradient's rounding over the smallest curvature, the decay of 0.01.
    np.testing.assert_allclose(seen[-1].ravel(), wanted.x, atol=1e-5 if bits == 32 else 1e-8)


def test_both_solvers_stop_at_negative_curvature_and_go_downhill():
    a = jnp.diag(jnp.asarray([4.0, 1.0, -1.0]))
    times, gradient = a.__matmul__, jnp.asarray([1.0, 1.0, 0.3])
    found = conjugate_gradients(times, gradient, 10)
    np.testing.assert_allclose(found, solve(a, gradient, 10), rtol=1e-5)  # two programs
    assert gradient @ found > 0
    assert not jnp.allclose(found, gradient)  # some way was made before
    pure = jnp.linalg.solve(a, gradient)
    assert pure[2] * gradient[2] < 0  # towards the saddle


def test_at_once_negative_curvature_is_steepest_descent():
    gradient = jnp.asarray([0.1, 2.0])
    a = jnp.diag(jnp.asarray([1.0, -1.0]))
    np.testing.assert_array_equal(conjugate_gradients(a.__matmul__, gradient, 10), gradient)


def test_conjugate_gradients_stop_when_told():
    """After one product, along the gradient; Cauchy's step is the best there."""
    a, b = (jnp.asarray(x) for x in problems.quadratic(20))
    found = conjugate_gradients(a.__matmul__, b, 1)
    np.testing.assert_allclose(found, b * (b @ b) / (b @ a @ b), rtol=1e-4)


def test_at_the_optimum_it_stays():
    for solver in SOLVERS:
        rule = optimizers.newton(solver=solver)
        seen, state = problems.path(rule, problems.rosenbrock, jnp.ones(2), 2)
        np.testing.assert_array_equal(seen, 1)
        assert float(optimizers.applied_rate(state)) == 1


def test_many_parameters_are_solved_for_without_a_matrix():
    rule = optimizers.newton()
    seen, _ = problems.path(rule, lambda w: jnp.sum(w**2), jnp.ones(100_000), 1)
    np.testing.assert_allclose(seen[-1], 0, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "exakt"}, "unknown solver 'exakt'; did you mean 'exact'"),
        ({"damping": -1.0}, "damping: .* got -1.0"),
        ({"cg_steps": 0}, "cg_steps: .* got 0"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        optimizers.newton(**options)
