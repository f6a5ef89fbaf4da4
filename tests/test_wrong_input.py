"""Every wrong input: exit status 2, and one line that names it and the closest match."""

import sys

import pytest
from absl import flags
from ml_collections import config_flags

from cnn_history import build, commands
from cnn_history.errors import UserError
from tests import forks

LENET = "--config=experiments/lenet5_digits.py"
CONSTANT = "--config=experiments/studies/constant_initialization.py"
DEGRADATION = "--config=experiments/studies/degradation.py"
RESNET = "--config=experiments/resnet_cifar10.py"
PHOTOS = "--config=experiments/%s_imagenet.py"

TRAIN = {
    (): "--config",
    (LENET,): "workdir",
    (LENET, "--workdir=W", "--workdri=x"): "Did you mean: workdir",
    (LENET, "--workdir=W", "extra"): "'extra' is not a flag",
    (LENET, "--workdir=W", "--seeds=0"): "--seeds=0",
    ("--config=experiments/lenet5_digit.py", "--workdir=W"): "did you mean 'experiments/lenet5_",
    (LENET + ":smok", "--workdir=W"): "unknown option 'smok'",
    (LENET, "--workdir=W", "--config.step=1"): "did you mean 'steps'",
    (LENET, "--workdir=W", "--config.optimizer=sgd"): "--config.optimizer.name",
    (LENET, "--workdir=W", "--config.seed=x"): "--config.seed",
    (LENET, "--workdir=W", "--config.steps=0"): "config.steps: expected a whole number from 1",
    (LENET, "--workdir=W", "--config.dtype=float64"): "JAX_ENABLE_X64=1",
    (LENET, "--workdir=W", "--config.init_from=W/none"): "'W/none' is not a run's work directory",
    (LENET, "--workdir=setup.cfg"): "--workdir",
}
# Of a config, refused before anything is compiled: in this process, as the command would.
CONFIGS = {
    (RESNET + ":depth=21",): "depth: expected one of 20, 32, 44, 56, 110, got 21",
    (RESNET + ":depth=x",): "expected int for depth, got 'x'",
    (RESNET + ":split=40k",): "50k or 45k, got 40k",
    (PHOTOS % "vgg" + ":net=vgg12",): "net: expected one of vgg11, vgg11_lrn",
    (PHOTOS % "vgg" + ":from_a,dataset=folder",): "init_layers: needs config.init_from",
    (PHOTOS % "resnet" + ":depth=20",): "depth: expected one of 18, 34, 50, 101, 152, got",
    (PHOTOS % "resnet" + ":depth=50,plain",): "plain nets have 18 and 34 layers",
    (PHOTOS % "bn_inception" + ":rate=10",): "rate: expected 5 or 30, got 10",
    (LENET, "--config.modle.name=x"): "did you mean 'model'",
    (LENET, "--config.model.nam=x"): "did you mean 'name'",
    (LENET, "--config.model.kernel_init.nam=x"): "did you mean 'name'",
    (LENET, "--config.loss.nam=x"): "did you mean 'name'",
    (LENET, "--config.optimizer.nam=x"): "did you mean 'name'",
    (LENET, "--config.optimizer.momentum.deca=1"): "did you mean 'decay'",
    (LENET, "--config.schedule.nam=x"): "did you mean 'name'",
    (LENET, "--config.seed.x=1"): "config.seed is a value",
    (LENET, "--config.batch_size=-1"): "config.batch_size: expected",
    (LENET, "--config.learning_rate=-1.0"): "config.learning_rate: expected",
    (LENET, "--config.weight_decay=nan"): "config.weight_decay: expected",
    (LENET, "--config.aux_weight=-1.0"): "config.aux_weight: expected",
    (LENET, "--config.init_layers=('conv1',)"): "init_layers: needs config.init_from",
    (LENET, "--config.dtype=flot32"): "did you mean 'float32'",
    (LENET, "--config.decayed=kernel"): "did you mean 'kernels'",
    (LENET, "--config.model.name=lenet6"): "did you mean 'lenet5'",
    (LENET, "--config.model.activation=rellu"): "did you mean 'relu'",
    (LENET, "--config.model.kernel_init.name=xavir"): "did you mean 'xavier'",
    (LENET, "--config.model.kernel_init.xavier.mode=fan"): "did you mean 'fan_in'",
    (RESNET, "--config.model.norm.name=batchnorm"): "did you mean 'batch_norm'",
    (
        RESNET,
        "--config.model.norm.batch_norm.momentum=1.5",
    ): "momentum: expected a number from 0 up, below 1, got 1.5",
    (RESNET, "--config.model.norm.batch_norm.epsilon=0.0"): "epsilon: expected a number above 0",
    (
        RESNET,
        "--config.model.norm.batch_norm.group_size=-1",
    ): "size: expected a whole number from 0",
    (
        RESNET,
        "--config.model.norm.name=decorrelated_batch_norm",
        "--config.model.norm.decorrelated_batch_norm.group_size=0",
    ): "whole number from 1",
    (
        RESNET,
        "--config.model.norm.name=decorrelated_batch_norm",
        "--config.model.norm.decorrelated_batch_norm.method=zcs",
    ): "unknown method 'zcs'; did you mean 'zca'",
    (
        RESNET,
        "--config.model.norm.name=decorrelated_batch_norm",
        "--config.model.norm.decorrelated_batch_norm.place=last",
    ): "unknown place 'last'",
    (LENET, "--config.statistics_batches=3"): "keeps no running statistics",
    (
        RESNET,
        "--config.statistics_batches=-1",
    ): "statistics_batches: expected a whole number from 0",
    (
        RESNET + ":dataset=digits",
        "--config.model.norm.batch_norm.group_size=48",
    ): "48 does not divide the 128 examples of a device",
    (RESNET + ":dataset=digits", "--config.model.shortcut=D"): "one of A, B, C, got 'D'",
    (RESNET, "--config.model.name=plain20"): "plain20 has no option 'shortcut'",
    (LENET, "--config.loss.name=cross_entrpy"): "did you mean 'cross_entropy'",
    (LENET, "--config.optimizer.name=momentun"): "did you mean 'momentum'",
    (
        LENET,
        "--config.optimizer.name=kfac",
        "--config.optimizer.kfac.labels=true",
    ): "unknown labels 'true'; it is one of empirical, sampled",
    (
        LENET,
        "--config.optimizer.name=kfac",
        "--config.optimizer.kfac.largest_factor=400",
    ): "config.optimizer: kfac: the factor of fc3 has 401 rows, above largest_factor=400",
    (LENET, "--config.optimizer.name=bfgs"): "would need 15.2 GB; a step holds 3",
    (
        LENET,
        "--config.optimizer.name=newton",
        "--config.optimizer.newton.solver=exact",
    ): "the Hessian of 61,706 parameters would need 15.2 GB",
    (
        LENET,
        "--config.optimizer.name=newton",
        "--config.optimizer.newton.solver=gc",
    ): "unknown solver 'gc'; did you mean 'cg'",
    (
        LENET,
        "--config.optimizer.name=lbfgs",
        "--config.optimizer.lbfgs.memory_size=0",
    ): "config.optimizer.lbfgs.memory_size: expected a whole number from 1",
    (LENET, "--config.schedule.name=picewise"): "did you mean 'piecewise'",
    (
        LENET,
        "--config.schedule.name=plateau",
        "--config.schedule.plateau.patience=0",
    ): "config.schedule.plateau.patience: expected a whole number from 1",
    (LENET, "--config.warmup=-1"): "config.warmup: expected",
    (LENET, "--config.warmup_from=-1.0"): "config.warmup_from: expected",
    (LENET, "--config.rate_batch=-256"): "config.rate_batch: expected",
    (LENET, "--config.micro_batches=0"): "config.micro_batches: expected a whole number from 1",
    (LENET, "--config.micro_batches=3"): "3 parts do not divide the 32 examples",
    (
        LENET,
        "--config.micro_batches=2",
        "--config.optimizer.name=kfac",
    ): "config.micro_batches: kfac needs more than a batch's gradient",
    (LENET, "--config.optimizer_state=shard"): "did you mean 'sharded'",
    (LENET, "--config.kept=stage"): "did you mean 'stages'",
    (LENET, "--config.kept=stages"): "config.kept: lenet5 has no stages",
    (
        RESNET,
        "--config.kept=convolutions",
        "--config.dataset=digits",
        "--config.optimizer.name=kfac",
    ): "config.kept: kfac needs the inputs of all layers",
    (
        PHOTOS % "resnet_large_batch" + ":batch=256,dataset=digits",
        "--config.model.norm.name=none",
    ): "config.model, config.image_size: zero_gamma needs a normalization with a scale",
    (PHOTOS % "resnet_large_batch" + ":batch=100",): "multiple of 32, got 100",
    (LENET, "--config.gradient_clipping=-2.0"): "config.gradient_clipping: expected",
    (LENET, "--config.bias_rate=inf"): "config.bias_rate: expected",
    (LENET, "--config.filter_radius=-0.1"): "config.filter_radius: expected",
    (LENET, "--config.averaging.name=polyack"): "did you mean 'polyak'",
    (LENET, "--config.evaluated=newset"): "did you mean 'newest'",
    (LENET, "--config.evaluated=averaged"): "choose an average by config.averaging.name",
    (RESNET, "--config.schedule.piecewise.steps=(1,)"): "1 steps, but 2 factors",
    (LENET, "--config.adapter=paad"): "did you mean 'pad'",
    (LENET, "--config.adapter=crop"): "pad or resize them",
    (LENET, "--config.scaling=unity"): "did you mean 'unit'",
    (LENET, "--config.augmentation.name=trnslate"): "did you mean 'translate'",
    (
        LENET,
        "--config.augmentation.name=vgg",
        "--config.augmentation.vgg.scales=(24, 64)",
    ): "config.augmentation.vgg, config.image_size: a crop of 32x32 does not fit",
    (
        LENET,
        "--config.augmentation.name=googlenet",
        "--config.augmentation.googlenet.area=(0.5, 1.5)",
    ): "area: expected a range within 0..1, got 0.5..1.5",
    (LENET, "--config.skipped_images=-1"): "config.skipped_images: expected a whole number from 0",
    (LENET, "--config.skipped_steps=-1"): "config.skipped_steps: expected a whole number from 0",
    (LENET, "--config.dataset=folder"): "folder needs a data_dir",
    (LENET, "--config.dataset=folder", "--config.data_dir=W/no"): "does not exist",
    (LENET, "--config.dataset=digit"): "did you mean 'digits'",
    (LENET, "--config.train_split=trian"): "no split 'trian'; use train or test",
    (LENET, "--config.image_size=28"): "smallest is 32x32",
    (LENET, "--config.image_size=4", "--config.adapter=pad"): "padded to 4x4; crop or",
    (LENET + ":dataset=cifar10", "--config.data_dir=W"): "prepare_data --dataset=",
}
EVALUATE = {
    (): "workdir",
    ("--workdir=W/none",): "'W/none' is not a run's work directory",
    ("--workdir=W/none", "--protocol=single_crp"): "did you mean 'single_crop'",
    ("--workdir=W/none", "--protocol=dense", "--scales=256"): "one scale; set it by --scale=256",
    ("--workdir=W/none", "--protocol=crops144", "--scale=256"): "set them by --scales=256,...",
    ("--workdir=W/none", "--protocol=crops144", "--scales=256,x"): "256,384, got 256,x",
    ("--workdir=W/none", "--protocol=ten_crop", "--softmax_first"): "ten_crop has no positions",
    ("--workdir=W/none", "--format=xml"): "--format=xml",
    ("--workdir=W/none", "--output=W/no/file.npz"): "'W/no' does not exist",
}
CLAIMS = {
    ("--id=C169",): "unknown claim 'C169'; did you mean 'C168'?",
    ("--id=C001,c50",): "unknown claim 'c50'; did you mean 'C050'?",
    ("--id=memory",): "unknown claim 'memory'; they are C001 to C168.",
    ("--format=xml",): "--format=xml",
    ("--output=W/no/claims.json",): "'W/no' does not exist",
}
STUDY = {
    (): "config",
    (CONSTANT,): "--workdir is needed: Folder of the results; created if missing.",
    (LENET, "--workdir=W"): "not a study",
    (CONSTANT + ":smok", "--workdir=W"): "unknown option 'smok'; the options are smoke",
    (CONSTANT, "--workdir=W", "--config.step=1"): "did you mean 'steps'",
    (CONSTANT, "--workdir=W", "--config.steps=x"): "config.steps",
    (CONSTANT, "--workdir=W", "--config.steps=0"): "config.steps: expected a whole number from 1",
    (CONSTANT, "--workdir=W", "--config.study=constant"): "did you mean 'constant_init",
    (
        CONSTANT,
        "--workdir=W",
        "--config.learning_rate=nan",
    ): "learning_rate: expected a number above 0, got nan",
    (
        DEGRADATION,
        "--workdir=W",
        "--config.depths=(8,'x')",
    ): "config.depths: expected a tuple of values, each 6n+2",
    (DEGRADATION, "--workdir=W", "--config.features=()"): "config.features: expected a tuple of 3",
    (CONSTANT, "--workdir=setup.cfg"): "--workdir",
}
REPORT = {
    (): "--runs is needed: Folder of runs, studies, claims and benchmarks.; --output is needed: ",
    ("--runs=W",): "output",
    ("--runs=W/none", "--output=W/page"): "--runs: folder 'W/none' does not exist",
    ("--runs=W", "--output=tests"): "--output: 'tests' holds other files",
    ("--runs=W", "--output=setup.cfg"): "--output",
}
BENCHMARK = {
    (): "--suite is needed: What to measure: cpu, gpu, ",
    ("--suite=cpus",): "--suite: unknown suite 'cpus'; did you mean 'cpu'?",
    ("--suite=cpu", "--networks=lenet5,resnet"): "'resnet' is not in this suite; did you mean 'r",
    ("--suite=optimizers", "--networks=adm"): "'adm' is not in this suite; did you mean 'adam'?",
    ("--suite=optimizers", "--against=torch"): "optimizers cannot be compared with PyTorch",
    ("--suite=input", "--photos=W/none"): "--photos: folder 'W/none' does not exist",
    ("--suite=cpu", "--output=W/no/cpu.json"): "'W/no' does not exist",
    ("--suite=cpu", "--output=W"): "'W' is a folder",
    ("--suite=cpu", "--rounds=0"): "rounds",
    ("--suite=cpu", "--against=tf"): "against",
    ("--suite=gpu",): "--suite=gpu: needs a GPU",
    ("--suite=levers", "--networks=resnet20:unrolled"): "did you mean 'resnet20:unrolled_by_",
    ("--suite=levers",): "--suite=levers: needs a GPU",
}
PREPARE_DATA = {
    (): "--dataset is needed: Name in TensorFlow Datasets",
    ("--dataset=cifr10",): "did you mean 'cifar10'",
    ("--dataset=digits",): "digits needs no preparation",
}


@pytest.mark.parametrize(
    ("verb", "cases"),
    [
        ("train", TRAIN),
        ("evaluate", EVALUATE),
        ("claims", CLAIMS),
        ("study", STUDY),
        ("prepare_data", PREPARE_DATA),
        ("report", REPORT),
        ("benchmark", BENCHMARK),
    ],
)
def test_one_line_names_it(verb, cases, tmp_path):
    """`W` in a command line stands for a folder."""
    inputs = [[argument.replace("W", str(tmp_path), 1) if "=W" in argument else argument
               for argument in case] for case in cases]  # fmt: skip
    for case, (status, text), message in zip(
        cases, forks.run(verb, inputs), cases.values(), strict=True
    ):
        said = text.replace(str(tmp_path), "W")
        assert status == 2, f"{case} ended with {status}: {said}"
        assert len(said.strip().splitlines()) == 1, f"{case} said {said}"
        assert said.startswith(f"{verb}: "), said
        assert message in said, f"{case} said {said}"
    assert not list(tmp_path.iterdir())  # and nothing was begun


def build_of(arguments):
    """Build the experiment of a command line, as `train` would."""
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", None, "", flag_values=values)
    values["config"].parser.parse = commands.read_config
    values(["train", *arguments])
    return build.experiment(values.config)


@pytest.mark.parametrize(("arguments", "message"), CONFIGS.items())
def test_a_wrong_config_is_named_in_one_line(arguments, message, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train", *arguments])  # where overrides are looked for
    with pytest.raises(UserError) as error:
        build_of(arguments)
    said = str(error.value)
    assert message in said, said
    assert len(said.splitlines()) == 1
