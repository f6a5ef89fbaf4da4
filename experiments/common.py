"""What the config files share: every field that there is, and the options of every choice.

A choice, such as the optimizer, is a group: `name`, and for each candidate a group of its options.
So `--config.optimizer.name=sgd` changes the rule, and `--config.optimizer.momentum.decay=0.8`
an option, with no code.
"""

import ml_collections

OPTIMIZERS = {
    "sgd": {},
    "momentum": {"decay": 0.9},
    "nesterov": {"decay": 0.9},
    "adagrad": {"eps": 1e-7},
    "rmsprop": {"decay": 0.9, "eps": 1e-7},
    "adam_uncorrected": {"b1": 0.9, "b2": 0.999, "eps": 1e-7},
    "adam": {"b1": 0.9, "b2": 0.999, "eps": 1e-7},
    "stochastic_diagonal_lm": {"mu": 0.02, "every": 1000},
    "newton": {"damping": 0.0, "solver": "auto", "cg_steps": 100, "largest_gb": 4.0},
    "bfgs": {"largest_gb": 4.0},
    "lbfgs": {"memory_size": 10},
    "kfac": {
        "damping": 1e-2,
        "kl_clip": 1e-3,
        "decay": 0.9,
        "factor_decay": 0.95,
        "factors_every": 1,
        "inverses_every": 20,
        "labels": "sampled",  # or empirical
        "largest_factor": 8192,
    },
    "lars": {"decay": 0.9, "trust": 0.001, "vectors": True},  # vectors: have a local rate too
}
SCHEDULES = {
    "constant": {},
    "step_decay": {"factor": 0.1, "every": 1000},
    "exponential_decay": {"k": 1e-4},
    "inverse_time_decay": {"k": 1e-4},
    "polynomial_decay": {"power": 1.0},
    "piecewise": {"steps": (1000,), "factors": (0.1,)},
    "plateau": {"factor": 0.1, "patience": 3, "drops": 3},  # patience in evaluations
}
AVERAGES = {
    "none": {},
    "exponential": {"decay": 0.9999},
    "polyak": {"start": 0},
}
LOSSES = {
    "cross_entropy": {},
    "smoothed_cross_entropy": {"epsilon": 0.1},
    "rbf_mse": {},
    "rbf_map": {"j": 1.0},
}
KERNEL_INITS = {
    "constant": {"value": 0.0},
    "gaussian": {"std": 0.01},
    "lecun_1998": {},
    "xavier": {"mode": "fan_in", "distribution": "normal"},
    "he": {"mode": "fan_in"},
}
NORMS = {
    "none": {},
    "batch_norm": {
        "momentum": 0.9,
        "epsilon": 1e-5,
        "unbiased": True,  # the running variance is m/(m-1) times the batch's
        "group_size": 0,  # examples normalized together; 0: the whole batch
    },
    "decorrelated_batch_norm": {
        "group_size": 16,  # channels whitened together
        "epsilon": 1e-5,
        "momentum": 0.9,
        "method": "zca",  # or iterative
        "iterations": 5,
        "scale_and_shift": True,
        "place": "every",  # or first, with batch norm at all others
    },
    "local_response_norm": {"k": 2.0, "n": 5, "alpha": 1e-4, "beta": 0.75},
}
AUGMENTATIONS = {
    "none": {},
    "translate": {},
    "pad_crop_flip": {},
    "alexnet": {"colour_std": 0.1},
    "zfnet": {},
    "vgg": {"scales": (256, 256), "colour_std": 0.1},
    "resnet": {"scales": (256, 480), "colour_std": 0.1},
    # `amounts` 1 to 1 are no photometric distortion
    "googlenet": {
        **{"area": (0.08, 1.0), "aspect": (3 / 4, 4 / 3)},
        **{"amounts": (0.5, 1.5), "colour_std": 0.1},
    },
    "inception": {
        **{"area": (0.08, 1.0), "aspect": (3 / 4, 4 / 3)},
        **{"amounts": (0.75, 1.25), "colour_std": 0.0},
    },
}

# What a data set calls the images that its papers measured errors on.
TEST_SPLITS = {"imagenet2012": "validation", "imagenette": "validation", "folder": "val"}
IMAGENET_EXAMPLES = 1_281_167  # of imagenet2012's training split


def choose(candidates: dict, name: str, **options) -> ml_collections.ConfigDict:
    """Return the group of a choice: `name`, with `options` set among the candidate's own."""
    group = ml_collections.ConfigDict({"name": name, **candidates})
    group[name].update(options)
    return group


def base() -> ml_collections.ConfigDict:
    """Return a config with every field; an experiment sets those that its paper names."""
    return ml_collections.ConfigDict(
        {
            "seed": 0,
            "model": {"name": ""},  # and the network's options
            "dtype": "float32",  # of the computation: float32, bfloat16, float64
            "init_from": "",  # a work directory whose parameters to start from
            "init_layers": (),  # of these layers alone; empty: of all
            # Data.
            "dataset": "",
            "data_dir": "",  # empty: $TFDS_DATA_DIR
            "train_split": "train",
            "test_split": "test",
            "image_size": 32,
            # How images of another size reach it: pad, crop, resize, resize_crop, square.
            "adapter": "resize",
            # Of values: unit, symmetric, lenet_1998, per_pixel_mean, per_channel_mean, or, with a
            # mean and in grey levels, per_pixel_mean_255, per_channel_mean_255.
            "scaling": "unit",
            "skipped_images": 50,  # that cannot be decoded, until a run stops
            "skipped_steps": 0,  # with a loss, gradient, ... that is not finite, until it stops
            "augmentation": choose(AUGMENTATIONS, "none"),
            # Training.
            "steps": 1000,
            "batch_size": 128,
            "micro_batches": 1,  # parts of a batch, one after another in memory; norms see one each
            "optimizer_state": "replicated",  # or sharded: each device keeps a part
            "loss": choose(LOSSES, "cross_entropy"),
            "aux_weight": 0.3,  # of the loss of each auxiliary head, where the network has any
            "optimizer": choose(OPTIMIZERS, "momentum"),
            # At the start; pure Newton's is 1, and bfgs and lbfgs search for theirs in each step.
            "learning_rate": 0.1,
            # The batch that the rate is for: it grows with batch_size / rate_batch; 0: it does not.
            "rate_batch": 0,
            "schedule": choose(SCHEDULES, "constant"),
            "weight_decay": 0.0,  # added to the gradient, as L2 is
            "decayed": "all",  # what weight decay touches: all, kernels
            "warmup": 0,  # steps in which the rate rises
            "warmup_from": 0.0,  # the rate that it rises from
            "gradient_clipping": 0.0,  # largest norm of the whole gradient; 0: any
            "bias_rate": 1.0,  # rate of the biases, in learning rates; Caffe's AlexNet: 2
            "filter_radius": 0.0,  # largest root mean square of a filter; 0: any; ZFNet: 0.1
            "averaging": choose(AVERAGES, "none"),  # of the parameters
            # Evaluation and records, in steps.
            "evaluated": "newest",  # which parameters: newest, averaged
            "statistics_batches": 0,  # whose mean statistics norms test with; 0: moving averages
            "eval_batch_size": 500,
            "log_every": 100,
            "eval_every": 1000,
            "checkpoint_every": 1000,
            "keep_checkpoints": 2,
            # The paper's number, shown beside ours while model and dataset are these.
            "paper": {"model": "", "dataset": "", "top1_error": 0.0, "source": ""},
        }
    )


def parse(arg: str | None, **defaults) -> ml_collections.ConfigDict:
    """Return the options of an experiment's `:ARG`; `dataset` and `smoke` are always among them."""
    return options(arg, dataset="", smoke=False, **defaults)


def options(arg: str | None, **defaults) -> ml_collections.ConfigDict:
    """Return the options of a config file's `:ARG`, a comma list of `name=value` and `name`.

    The defaults give the options that there are, and their types.
    Raises ValueError for an option that is not there, or of another type.
    """
    chosen = dict(defaults)
    for item in filter(None, (arg or "").split(",")):
        name, _, text = item.partition("=")
        if name not in defaults:
            raise ValueError(f"this config has no option '{name}'; it has {', '.join(defaults)}.")
        kind = type(defaults[name])
        try:
            chosen[name] = _truth(text) if kind is bool else kind(text)
        except ValueError:
            raise ValueError(f"'{item}': {name} takes {kind.__name__}, not '{text}'.") from None
    return ml_collections.ConfigDict(chosen)


def study(name: str, **options) -> ml_collections.ConfigDict:
    """Return the config of a study with its options."""
    return ml_collections.ConfigDict({"study": name, **options})


def _truth(text: str) -> bool:
    values = {"": True, "true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise ValueError
    return values[text.lower()]


def photos(config: ml_collections.ConfigDict, dataset: str, batch_size: int) -> None:
    """Set the data of an ImageNet recipe: `dataset`, or imagenet2012 where none is asked for.

    Errors are measured after every pass over ImageNet.
    """
    config.dataset = dataset or "imagenet2012"
    config.test_split = test_split(config.dataset)
    config.batch_size = batch_size
    config.eval_batch_size = 64
    config.eval_every = steps(1, IMAGENET_EXAMPLES, batch_size)
    config.checkpoint_every = 10_000


def plateau() -> ml_collections.ConfigDict:
    """Return the schedule of papers that divided the rate by 10 when the error stopped improving.

    Three times, by hand; here after five evaluations without a new lowest error.
    """
    return choose(SCHEDULES, "plateau", factor=0.1, patience=5, drops=3)


def test_split(dataset: str) -> str:
    """Return the split that errors are measured on."""
    return TEST_SPLITS.get(dataset, "test")


def steps(passes: float, examples: int, batch_size: int) -> int:
    """Return the number of updates in `passes` over `examples`, rounded to whole updates."""
    return round(passes * examples / batch_size)


def smoke(
    config: ml_collections.ConfigDict, batch_size: int = 16, steps: int = 10, tested: int = 64
) -> None:
    """Shrink batch, steps and images so that it ends within a minute on two cores.

    The network, and everything else, stays what it is. The paper's number says nothing of it.
    """
    config.paper.model = ""
    config.batch_size = batch_size
    config.steps = steps
    config.train_split = f"train[:{batch_size * steps}]"
    config.test_split = f"{test_split(config.dataset)}[:{tested}]"
    config.eval_batch_size = 2 * batch_size
    config.statistics_batches = min(config.statistics_batches, 2)
    config.log_every = 2
    config.eval_every = steps // 2
    config.checkpoint_every = steps // 2


def smoke_on_photos(config: ml_collections.ConfigDict) -> None:
    """Likewise for networks that take billions of operations an image.

    The rate falls with the batch, without which most of them diverge within these steps; one that
    `rate_batch` scales does so already.
    """
    rate_of_one = config.learning_rate / config.batch_size
    smoke(config, batch_size=4, steps=4, tested=8)
    if not config.rate_batch:
        config.learning_rate = rate_of_one * config.batch_size
