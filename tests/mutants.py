"""Put faults into the package one at a time; each must make a test fail.

    python -m tests.mutants [NUMBER ...] [--of CHECKOUT]

A mutant changes the meaning of one line of the package. The line is searched in all files, so code
may move; a description says what is wrong, in case the line is rewritten. Each mutant is applied to
a copy of the checkout, where the named tests run until the first failure. Not part of the suite: it
takes half an hour on two cores.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

CHECKOUT = pathlib.Path(__file__).parents[1]
FAILED = 1  # pytest's exit status where tests ran and some failed; others say that none ran


class Mutant(NamedTuple):
    """A fault.

    Attributes:
      wrong: description of the fault.
      old: text that occurs once in the package.
      new: its replacement.
      tests: arguments of pytest.
    """

    wrong: str
    old: str
    new: str
    tests: str


MUTANTS = (
    # accounting
    Mutant(
        "an account counts the multiply-adds of one row of a map",
        "macs=(_size(call.params, MULTIPLIERS) + fixed) * h * w,",
        "macs=(_size(call.params, MULTIPLIERS) + fixed) * h,",
        "tests/accounting/test_account.py",
    ),
    Mutant(
        "a window sees one position too many",
        "size + (window - 1) * jump, jump * stride",
        "size + window * jump, jump * stride",
        "tests/accounting/test_receptive_field.py",
    ),
    Mutant(
        "an inner fork's meeting is taken for the outer one's",
        "operation if name != stop else None",
        "operation if name == stop else None",
        "tests/accounting/test_structure.py",
    ),
    # benchmarks
    Mutant(
        "a turn's seconds are not divided by its steps",
        "timed(run, counts[name]) / counts[name]",
        "timed(run, counts[name])",
        "tests/benchmarks/test_rounds.py",
    ),
    Mutant(
        "a kernel's bound is the shorter of arithmetic and traffic",
        "(max(o / peak, n / bandwidth)",
        "(min(o / peak, n / bandwidth)",
        "tests/benchmarks/test_bounds.py",
    ),
    Mutant(
        "rows of another measurement are taken over",
        'if not same or document["commit"].endswith("+")',
        'if document["commit"].endswith("+")',
        "tests/benchmarks/test_benchmark.py",
    ),
    # datasets
    Mutant(
        "all epochs have the order of the first",
        "jax.random.fold_in(self.key, epoch), self.examples",
        "jax.random.fold_in(self.key, 0), self.examples",
        "tests/datasets/test_order.py",
    ),
    Mutant(
        "no decoded crop is mirrored",
        "return _mirrored(made) if part.mirrored else made",
        "return made",
        "tests/datasets/test_crops.py",
    ),
    Mutant(
        "a shift never goes all the way to the right",
        "jax.random.randint(key, (2,), 0, 2 * PAD + 1)",
        "jax.random.randint(key, (2,), 0, 2 * PAD)",
        "tests/datasets/test_augment.py",
    ),
    Mutant(
        "what cannot be decoded is tried again, in place of the next",
        "place = (index + i) % len(source)",
        "place = index",
        "tests/datasets/test_stream.py",
    ),
    Mutant(
        "the covariance is not about the mean",
        "products / (examples * size * size) - np.outer(channels, channels)",
        "products / (examples * size * size)",
        "tests/datasets/test_scalings.py",
    ),
    Mutant(
        "images of any number of pixels are decoded",
        "if height * width > MAX_PIXELS:",
        "if height * width > MAX_PIXELS**2:",
        "tests/datasets/test_images.py",
    ),
    Mutant(
        "folders beside the split that is asked for add classes",
        "for name in _folders(root / split):",
        "for name in {*_folders(root / split), *splits}:",
        "tests/datasets/test_folder.py",
    ),
    Mutant(
        "one image fewer than allowed may be damaged",
        "if len(self._names) > self._limit:",
        "if len(self._names) >= self._limit:",
        "tests/datasets/test_skipped.py",
    ),
    # evaluation
    Mutant(
        "mirror images stand on their heads",
        "yield view[:, :, ::-1]",
        "yield view[:, ::-1]",
        "tests/evaluation/test_protocols.py",
    ),
    Mutant(
        "the top five are four",
        "right[:, :5].any(axis=1)",
        "right[:, :4].any(axis=1)",
        "tests/evaluation/test_evaluation.py",
    ),
    Mutant(
        "what fills up the last batch is counted",
        "np.concatenate(arrays)[:count]",
        "np.concatenate(arrays)",
        "tests/evaluation/test_evaluation.py",
    ),
    # initializers, schedules, losses
    Mutant(
        "He's variance is half of it",
        "variance_scaling(2.0, mode, ",
        "variance_scaling(1.0, mode, ",
        "tests/test_initializers.py",
    ),
    Mutant(
        "a rate drops one step late",
        "jnp.asarray(step) >= boundary",
        "jnp.asarray(step) > boundary",
        "tests/test_schedules.py",
    ),
    Mutant(
        "after a drop a plateau goes on counting",
        "jnp.where(drop, -self.cooldown, waited),",
        "waited,",
        "tests/test_schedules.py",
    ),
    Mutant(
        "label smoothing is the number of classes times too strong",
        "epsilon * scores.mean(-1)",
        "epsilon * scores.sum(-1)",
        "tests/test_losses.py",
    ),
    # layers
    Mutant(
        "the running variance is the batch's own where it shall be unbiased",
        "spread *= m / max(m - 1, 1)",
        "spread *= m / max(m, 1)",
        "tests/layers/test_batch_norm.py",
    ),
    Mutant(
        "batch norm's gradient forgets the mean",
        "dbias - factor * dmean",
        "dbias",
        "tests/layers/test_batch_norm.py",
    ),
    Mutant(
        "response normalization starts from 1 whatever k is",
        "base = k + alpha * sums",
        "base = 1 + alpha * sums",
        "tests/layers/test_local_response_norm.py",
    ),
    Mutant(
        "the gradient of images meets a kernel turned about one axis alone",
        "kernel = kernel[::-1, ::-1]",
        "kernel = kernel[::-1]",
        "tests/cpu/test_convolution.py",
    ),
    Mutant(
        "a sign of Winograd's matrices",
        "(0, -1, 1, 0), (0, 1, 0, -1)),",
        "(0, -1, 1, 0), (0, 1, 0, 1)),",
        "tests/cpu/test_convolution.py",
    ),
    Mutant(
        "of equal values the last takes the gradient",
        "larger = values > largest",
        "larger = values >= largest",
        "tests/cpu/test_pooling.py",
    ),
    Mutant(
        "ceil mode keeps a window that starts outside",
        "if (count - 1) * stride >= size + pad:",
        "if (count - 1) * stride > size + pad:",
        "tests/layers/test_pooling.py",
    ),
    Mutant(
        "whitening's derivative",
        "/ (-a * b * (a + b))",
        "/ (-a * b * (a * b))",
        "tests/layers/test_decorrelated_batch_norm.py",
    ),
    Mutant(
        "a unit of a partial convolution is drawn for the fan-in of all",
        "self.kernel_init(k, (*self.window, len(inputs), 1), dtype)[..., 0]",
        "self.kernel_init(k, (*self.window, maps, 1), dtype)[..., : len(inputs), 0]",
        "tests/layers/test_partial_convolution.py",
    ),
    # lecture
    Mutant(
        "a verdict is upheld whatever was computed",
        "return outcome and self.verdict == self.claim.stated",
        "return outcome",
        "tests/lecture/test_claims.py",
    ),
    Mutant(
        "the place of VGG in 2014 is counted from the wrong end",
        "rank = 1 + (best < own)",
        "rank = 1 + (best > own)",
        "tests/lecture/test_claims.py",
    ),
    # models
    Mutant(
        "a shortcut takes odd positions",
        "x = x[:, ::strides, ::strides]",
        "x = x[:, strides - 1 :: strides, strides - 1 :: strides]",
        "tests/models/test_resnet.py",
    ),
    Mutant(
        "a width of GoogLeNet's table",
        "Widths(112, 144, 288, 32, 64, 64)",
        "Widths(112, 144, 289, 32, 63, 64)",
        "tests/accounting/test_account.py",
    ),
    Mutant(
        "a pre-activation unit with more maps splits before its activation",
        "if self.first or x.shape[-1] != features:",
        "if self.first:",
        "tests/models/test_resnet_v2.py",
    ),
    Mutant(
        "a C3 map sees another S2 map",
        "(3, 4, 5), (0, 4, 5), (0, 1, 5),",
        "(3, 4, 5), (0, 3, 5), (0, 1, 5),",
        "tests/models/test_lenet5.py",
    ),
    Mutant(
        "on larger images the best position counts, not the mean",
        "return jnp.mean(wide(logits), (1, 2))",
        "return jnp.max(wide(logits), (1, 2))",
        "tests/models/test_vgg.py",
    ),
    # optimizers
    Mutant(
        "momentum with the rate outside the velocity",
        "optax.chain(scale_by_rate(learning_rate), optax.trace(decay))",
        "optax.chain(optax.trace(decay), scale_by_rate(learning_rate))",
        "tests/optimizers/test_first_order.py",
    ),
    Mutant(
        "K-FAC's first factors are averaged with zeros",
        "keep = jnp.minimum(1 - 1 / looks, factor_decay)",
        "keep = jnp.minimum(1 - 0 / looks, factor_decay)",
        "tests/optimizers/test_kfac.py",
    ),
    Mutant(
        "LARS decays what it shall not touch",
        "beta = weight_decay if touched else 0.0",
        "beta = weight_decay",
        "tests/optimizers/test_lars.py",
    ),
    Mutant(
        "Polyak's mean counts one update too few",
        "jnp.maximum(count + 1 - start, 1)",
        "jnp.maximum(count - start, 1)",
        "tests/optimizers/test_transformations.py",
    ),
    Mutant(
        "a step that raises the value is taken",
        "found & downhill & (search_state.learning_rate > 0)",
        "downhill & (search_state.learning_rate > 0)",
        "tests/optimizers/test_quasi_newton.py",
    ),
    Mutant(
        "BFGS's first matrix is not scaled",
        "jnp.where(state.pairs == 0, step @ change",
        "jnp.where(state.pairs < 0, step @ change",
        "tests/optimizers/test_quasi_newton.py",
    ),
    Mutant(
        "a filter's root mean square is its largest weight",
        "jnp.mean(jnp.square(new), range(new.ndim - 1))",
        "jnp.max(jnp.square(new), range(new.ndim - 1))",
        "tests/optimizers/test_transformations.py",
    ),
    # reporting
    Mutant(
        "the spread is that of a population",
        "{statistics.stdev(errors):.2%}",
        "{statistics.pstdev(errors):.2%}",
        "tests/reporting/test_tables.py tests/test_experiments.py",
    ),
    Mutant(
        "what lies in two folders is shown twice",
        "if folder.resolve() in searched:",
        "if not folder:",
        "tests/reporting/page",
    ),
    Mutant(
        "the surest mistakes come last",
        "wrong[np.argsort(-confidence[wrong])]",
        "wrong[np.argsort(confidence[wrong])]",
        "tests/reporting/test_figures.py",
    ),
    Mutant(
        "an account's JSON has no totals",
        "return json.dumps({**found, **totals, ",
        "return json.dumps({**found, ",
        "tests/reporting/test_accounts.py",
    ),
    # studies
    Mutant(
        "an interval of 90 %",
        "stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)",
        "stats.t.ppf(CONFIDENCE, len(values) - 1)",
        "tests/studies/test_train.py",
    ),
    Mutant(
        "a weight's gradient is summed over the inputs",
        "jnp.square(at_weights / INPUTS)",
        "jnp.square(at_weights)",
        "tests/studies/test_activation_statistics.py",
    ),
    Mutant(
        "the largest rate that trains is the smallest",
        "RATES[0] / 2).max(1)",
        "RATES[0] / 2).min(1)",
        "tests/studies/test_normalization_studies.py",
    ),
    Mutant(
        "how much higher a rate may be is said the other way round",
        "np.log2(normed / bare)",
        "np.log2(bare / normed)",
        "tests/studies/test_normalization_studies.py",
    ),
    # training
    Mutant(
        "a batch made for another step is applied",
        "applied = fits & (first_bad < 0)",
        "applied = first_bad < 0",
        "tests/training/test_step.py",
    ),
    Mutant(
        "the gradients of micro-batches are added up",
        "jax.tree.map(lambda a, b: a + b / parts, total,",
        "jax.tree.map(lambda a, b: a + b, total,",
        "tests/training/test_large_batches.py",
    ),
    Mutant(
        "running statistics that overflow pass for finite",
        "checked += [_finite(leaf) for leaf in jax.tree.leaves(model_state)]",
        "checked += [_finite(leaf) | True for leaf in jax.tree.leaves(model_state)]",
        "tests/training/test_finite.py",
    ),
    Mutant(
        "true averages are divided by one batch too many",
        "jax.tree.map(lambda leaf: leaf / count, total)",
        "jax.tree.map(lambda leaf: leaf / (count + 1), total)",
        "tests/training/test_statistics.py",
    ),
    Mutant(
        "second derivatives go back without the square",
        "jnp.square(back(jnp.ones_like(out))[0]) * second",
        "back(jnp.ones_like(out))[0] * second",
        "tests/training/test_curvature.py",
    ),
    Mutant(
        "the time of compiling counts into the rate of images",
        "finished = time.monotonic() if _ready(made) else None",
        "finished = None",
        "tests/training/test_log.py",
    ),
    Mutant(
        "a signal is forgotten",
        "self.signal = signal.Signals(number)",
        "self.signal = None",
        "tests/training/test_resume.py",
    ),
    Mutant(
        "a streamed batch is used for whatever step is asked",
        "if start != self._next:",
        "if self._next is None:",
        "tests/training/test_program.py",
    ),
    # files
    Mutant(
        "one checkpoint more than asked for is removed",
        "len(others) + 1 - self._keep)]",
        "len(others) + 2 - self._keep)]",
        "tests/training/test_resume.py",
    ),
    Mutant(
        "a damaged checkpoint passes for whole",
        "if _digest(file) != digest:",
        "if not _digest(file):",
        "tests/faults/test_damage.py",
    ),
    Mutant(
        "two runs share a work directory",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        "tests/training/test_resume.py",
    ),
    Mutant(
        "lines behind the checkpoint are kept, and written twice",
        'for line in read_metrics(workdir) if line["step"] <= step]',
        "for line in read_metrics(workdir)]",
        "tests/training/test_resume.py",
    ),
    Mutant(
        "pickles in arrays are run",
        "np.load(opened, allow_pickle=False)",
        "np.load(opened, allow_pickle=True)",
        "tests/test_hostile.py",
    ),
    Mutant(
        "work directories are for all to read",
        "path.mkdir(mode=OWNER_ONLY, exist_ok=True)",
        "path.mkdir(exist_ok=True)",
        "tests/test_hostile.py",
    ),
    Mutant(
        "links out of a work directory are followed",
        "if os.path.commonpath([inside, target]) != inside:",
        "if not os.path.commonpath([inside, target]):",
        "tests/test_hostile.py",
    ),
    Mutant(
        "unchanged files are copied to a bucket again",
        "self._copied[file] = state",
        "self._copied[file] = _state(self.files)",
        "tests/files/test_bucket.py",
    ),
    Mutant(
        "a run goes on under another config",
        "not in changeable and old.get(name) != new.get(name):",
        "not in changeable and name not in old:",
        "tests/training/test_resume.py tests/files/test_workdir.py tests/test_experiments.py",
    ),
    # weights
    Mutant(
        "a dense layer's weights are read with the channels last",
        "t.reshape(features, c, h, w).transpose(2, 3, 1, 0)",
        "t.reshape(features, h, w, c).transpose(1, 2, 3, 0)",
        "tests/weights/test_convert.py tests/weights/test_vgg.py",
    ),
    Mutant(
        "what a PyTorch file says is executed",
        'map_location="cpu", weights_only=True',
        'map_location="cpu", weights_only=False',
        "tests/weights/test_reader.py",
    ),
    Mutant(
        "a file with heads makes a network without",
        'if any(path.startswith("aux") for path in ours):',
        'if all(path.startswith("aux") for path in ours):',
        "tests/weights/test_load.py tests/weights/test_googlenet.py",
    ),
    Mutant(
        "Caffe's statistics are not divided by their third blob",
        "a / factor[0] if factor[0] else 0 * a",
        "a if factor[0] else 0 * a",
        "tests/weights/test_caffe.py tests/weights/test_caffe_file.py",
    ),
    Mutant(
        "Caffe's first convolution is given its colours the other way round",
        "t[:, ::-1] if n == first",
        "t if n == first",
        "tests/weights/test_caffe.py",
    ),
    Mutant(
        "Caffe's alpha is taken for that of a sum",
        '"alpha": alpha / n,',
        '"alpha": alpha,',
        "tests/weights/test_caffe.py",
    ),
    Mutant(
        "a field of a .caffemodel may claim more than is left",
        "if size > len(data) - at:",
        "if size < 0:",
        "tests/weights/test_caffe_file.py",
    ),
    # verbs
    Mutant(
        "an ensemble is its first member",
        'np.mean([one["probabilities"] for one in made], axis=0)',
        'made[0]["probabilities"]',
        "tests/evaluation/test_ensemble.py tests/test_experiments.py",
    ),
    Mutant(
        "an ensemble of other classes is evaluated",
        "if len(classes) != len(source.classes):",
        "if len(classes) < len(source.classes):",
        "tests/evaluation/test_ensemble.py tests/test_experiments.py tests/test_import_weights.py"
        " tests/test_recipes.py tests/test_messages.py",
    ),
    Mutant(
        "the claims end well whatever they say",
        "sys.exit(1 if failed else 0)",
        "sys.exit(0)",
        "tests/lecture/test_claims.py",
    ),
    Mutant(
        "runs of several seeds have the same one",
        "one.seed = seed",
        "one.seed = config.seed",
        "tests/test_experiments.py",
    ),
    Mutant(
        "a standard deviation of 0 is imported",
        'if flag == "std" and min(numbers) <= 0:',
        'if flag == "std" and min(numbers) < 0:',
        "tests/test_import_weights.py tests/test_messages.py",
    ),
    # build and config
    Mutant(
        "the update is clipped in place of the gradient",
        "parts.insert(0, optax.clip_by_global_norm(config.gradient_clipping))",
        "parts.append(optax.clip_by_global_norm(config.gradient_clipping))",
        "tests/optimizers/test_transformations.py tests/training/test_program.py",
    ),
    Mutant(
        "biases are decayed where kernels alone shall be",
        "jax.tree.map(lambda p: p.ndim > 1, params)",
        "jax.tree.map(lambda p: p.ndim > 0, params)",
        "tests/optimizers/test_transformations.py",
    ),
    Mutant(
        "the rate is scaled by the inverse of the batch",
        "schedules.linear_scaling(rate, config.rate_batch, config.batch_size)",
        "schedules.linear_scaling(rate, config.batch_size, config.rate_batch)",
        "tests/training/test_large_batches.py tests/test_schedules.py",
    ),
    Mutant(
        "a share of 1 is allowed",
        "SHARE = number(lambda v: 0 <= v < 1,",
        "SHARE = number(lambda v: 0 <= v <= 1,",
        "tests/test_wrong_input.py tests/test_config_mutations.py",
    ),
    Mutant(
        "a missing field is no fault",
        "    for name in FIELDS:\n        if name not in config:",
        "    for name in ():\n        if name not in config:",
        "tests/test_config_mutations.py tests/test_wrong_input.py",
    ),
)


def place(checkout: pathlib.Path, mutant: Mutant) -> pathlib.Path:
    """Return the file that the mutant's text stands in, once."""
    files = sorted((checkout / "cnn_history").rglob("*.py"))
    found = [path for path in files if mutant.old in path.read_text()]
    if len(found) != 1 or found[0].read_text().count(mutant.old) != 1:
        raise LookupError(f"'{mutant.old}' stands in {len(found)} files; one was expected.")
    return found[0]


def copy(checkout: pathlib.Path, folder: pathlib.Path) -> None:
    """Copy what git knows of a checkout, and what is new in it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=checkout, capture_output=True, check=True).stdout
    for name in map(os.fsdecode, filter(None, listed.split(b"\0"))):
        if (checkout / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / name, folder / name)


def run(folder: pathlib.Path, beside: pathlib.Path, mutant: Mutant) -> tuple[str, str]:
    """Return what became of a mutant, and the line of the test that failed."""
    path = place(folder, mutant)
    right = path.read_text()
    path.write_text(right.replace(mutant.old, mutant.new))
    options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--durations=0"]
    shared = os.environ.get("CNN_HISTORY_SHARED", str(beside / "shared"))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *mutant.tests.split()],
            cwd=folder,
            env=os.environ | {"CNN_HISTORY_SHARED": shared},
            capture_output=True,
            text=True,
        )
    finally:
        path.write_text(right)
    lines = done.stdout.splitlines()
    failed = next((line for line in lines if line.startswith(("FAILED", "ERROR"))), "")
    if done.returncode == 0:
        return "SURVIVED", ""
    if done.returncode == FAILED and failed.startswith("FAILED"):
        return "killed", failed.partition(" - ")[0].removeprefix("FAILED ")
    return f"no verdict ({done.returncode})", failed or "\n".join(lines[-3:])


def main() -> None:
    """Run all mutants, or those of the numbers given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int)
    parser.add_argument("--of", type=pathlib.Path, default=CHECKOUT, help="checkout that is tested")
    given = parser.parse_args()
    checkout = given.of.resolve()
    survived = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name) / "checkout"
        copy(checkout, folder)
        for number in given.numbers or range(len(MUTANTS)):
            mutant, began = MUTANTS[number], time.monotonic()
            try:
                where = place(folder, mutant).relative_to(folder / "cnn_history")
                verdict, said = run(folder, checkout.parent, mutant)
            except LookupError as error:
                where, verdict, said = "?", "not applied", str(error)
            survived += verdict != "killed"
            seconds = time.monotonic() - began
            print(f"{number:2} {verdict:9} {where}: {mutant.wrong}; {said} {seconds:.0f} s")
    print(f"{survived} were not killed.")
    sys.exit(bool(survived))


if __name__ == "__main__":
    main()
