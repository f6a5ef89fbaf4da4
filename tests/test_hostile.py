"""An attacker's files, with real payloads: refused by name; no code runs, no link is followed.

PyTorch files are tested in weights/test_reader.py, features.json in datasets/test_damaged_records.
"""

import ast
import io
import os
import pickle
import re
import stat
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest

from cnn_history import loading
from cnn_history.errors import UserError
from cnn_history.files import npz, private, record, workdir
from experiments import lenet5_digits
from tests.training import runs
from tests.weights.payload import Evil

pytestmark = pytest.mark.usefixtures("undrawn")

PACKAGE = runs.CHECKOUT / "cnn_history"
UNPICKLERS = {"pickle", "cPickle", "shelve", "dill", "joblib", "cloudpickle", "marshal"}
UNPACKERS = {"tarfile", "shutil.unpack_archive"}
RUNNERS = {"eval", "exec", "compile", "__import__"}


def member(name, data):
    """Return a zip archive of one file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return made.getvalue()


def objects(trace):
    made = io.BytesIO()
    np.savez(made, mean=np.array([Evil(trace)], object))
    return made.getvalue()


def claiming(shape):
    """Return an array file whose header claims a shape, and which holds nothing."""
    made = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(made, header)
    return made.getvalue()


NPZ = {
    "a pickle": lambda trace: pickle.dumps(Evil(trace)),
    "an object array": objects,
    "an object array that is no archive": lambda trace: zipfile.ZipFile(
        io.BytesIO(objects(trace))
    ).read("mean.npy"),
    "a bomb": lambda trace: member("mean.npy", claiming((1 << 22,)) + bytes(1 << 24)),
    "an absurd shape": lambda trace: member("mean.npy", claiming((1 << 60,))),
    "a shape that overflows": lambda trace: member("mean.npy", claiming((1 << 40, 1 << 40))),
    "code for a header": lambda trace: member(
        "mean.npy", b"\x93NUMPY\x01\x00\x76\x00" + b"__import__('os').abort()".ljust(118)
    ),
    "an archive of something else": lambda trace: member("../mean.txt", b"no array"),
    "nothing": lambda trace: b"",
    "half": lambda trace: objects(trace)[:100],
}


@pytest.mark.parametrize("kind", NPZ)
def test_an_npz_file_of_an_enemy_is_refused(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(npz, "LARGEST", 1 << 22)
    trace, path = tmp_path / "trace", tmp_path / "inputs.npz"
    path.write_bytes(NPZ[kind](trace))
    with pytest.raises(ValueError, match=r"\w"):
        npz.read(path)
    with pytest.raises(UserError, match=r"inputs.npz' is damaged: "):
        workdir.load_inputs(tmp_path)
    (tmp_path / workdir.STATISTICS).write_bytes(path.read_bytes())
    with pytest.raises(UserError, match=r"statistics.npz' is damaged: "):
        workdir.statistics(tmp_path, lambda: None, writes=False)
    assert not trace.exists()


def test_the_payload_would_run(tmp_path):
    """So that the tests here show something."""
    trace, path = tmp_path / "trace", tmp_path / "inputs.npz"
    path.write_bytes(objects(trace))
    np.load(path, allow_pickle=True)["mean"]
    assert trace.exists()


DEEP = "[" * 100_000
CONFIGS = {"deep": DEEP, "no object": "[1]", "text": '"x"', "bytes": "\xff", "half": '{"model": '}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_config_that_is_none_is_named(tmp_path, kind):
    (tmp_path / workdir.CONFIG).write_text(CONFIGS[kind], encoding="latin-1")
    with pytest.raises(UserError, match=r"config.json' is damaged: "):
        workdir.read_config(tmp_path)


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_summary_that_is_none_is_named(tmp_path, kind):
    (tmp_path / workdir.SUMMARY).write_text(CONFIGS[kind], encoding="latin-1")
    with pytest.raises(UserError, match=r"summary.json' is damaged: .*; remove it, and the run"):
        train(tmp_path)


@pytest.mark.parametrize("torn", [b'{"step": 2, ', b"\xff\xfe", b"[" * 100_000, b"\0"])
def test_lines_end_where_one_is_damaged(tmp_path, torn):
    lines = b'{"step": 1}\n' + torn + b'\n{"step": 3}\n'
    (tmp_path / "metrics.jsonl").write_bytes(lines)
    assert record.read_metrics(tmp_path) == [{"step": 1}]


WRONG = {
    "model": ["lenet5", None, {}, {"name": 3}, {"name": "lenet5", "kernel_init": "he"}],
    "averaging": ["none", {"name": {}}, {"name": "polyak", "polyak": 3}],
    "eval_batch_size": ["100", -1, 1e400],
    "dtype": [{}, 32],
    "data_dir": ["a\0b"],
}


@pytest.mark.parametrize("field", WRONG)
def test_a_field_that_holds_what_it_cannot_is_named(tmp_path, field):
    for value in WRONG[field]:
        record.write_json(tmp_path / workdir.CONFIG, config() | {field: value})
        with pytest.raises(UserError, match=rf"config.json' is damaged: config.{field}"):
            workdir.read_config(tmp_path)


def planted(tmp_path, name):
    """Return a work directory with a link to a file of someone, who would not like it changed."""
    folder, someone = tmp_path / "run", tmp_path / "someone"
    someone.mkdir()
    (someone / "diary").write_text("mine")
    record.write_json(folder_of(folder) / workdir.CONFIG, config())
    link = folder / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(someone if link.parent.name == "checkpoints" else someone / "diary")
    return folder, someone


def folder_of(folder):
    folder.mkdir(exist_ok=True)
    return folder


def config():
    return workdir.config_json(lenet5_digits.get_config())


LINKS = ["checkpoints/20", "checkpoints/20/default/d", "metrics.jsonl", "lock", workdir.CONFIG]
LINKS += ["summary.json.unfinished", "figures/curves.png", workdir.INPUTS]


@pytest.mark.parametrize("name", LINKS)
def test_a_link_that_leads_out_is_not_followed(tmp_path, name):
    folder, someone = planted(tmp_path, name)
    message = rf"{re.escape(str(folder / name))}' is a link out of the work directory"
    for refuse in (
        lambda: workdir.read_config(folder),
        lambda: loading.load(folder),
        lambda: workdir.check_run(folder),
        lambda: train(folder),
    ):
        with pytest.raises(UserError, match=message):
            refuse()
    assert [(path.name, path.read_text()) for path in someone.iterdir()] == [("diary", "mine")]


def train(folder):
    from cnn_history.training import loop

    loop.run(lenet5_digits.get_config("smoke"), folder)


def test_links_within_and_to_a_work_directory_are_followed(tmp_path):
    folder = folder_of(tmp_path / "run")
    record.write_json(folder / "kept.json", config())
    (folder / workdir.CONFIG).symlink_to("kept.json")
    (tmp_path / "other name").symlink_to(folder)
    assert workdir.read_config(tmp_path / "other name").model.name == "lenet5"


# Folders of our own.


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_new_work_directories_are_for_their_owner_alone(tmp_path):
    before = os.umask(0)
    try:
        private.make(tmp_path / "runs" / "seeds" / "seed_0")
        (tmp_path / "shared").mkdir(mode=0o775)
        private.make(tmp_path / "shared" / "run")
        private.make(tmp_path / "shared")
    finally:
        os.umask(before)
    assert {mode(tmp_path / "runs" / p) for p in ("", "seeds", "seeds/seed_0")} == {0o700}
    assert (mode(tmp_path / "shared"), mode(tmp_path / "shared" / "run")) == (0o775, 0o700)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        private.make(tmp_path / "file")


@pytest.mark.parametrize(
    ("permissions", "owner", "objection", "left"),
    [
        (0o700, 0, "", 0o700),
        (0o755, 0, "", 0o700),
        (0o775, 0, "others may write into", 0o775),
        (0o1777, 0, "others may write into", 0o1777),
        (0o700, 1000, "belongs to another user", 0o700),
    ],
)
def test_a_folder_that_others_could_have_written_to_is_objected_to(
    tmp_path, permissions, owner, objection, left
):
    if owner and os.getuid():
        pytest.skip("only root can give a folder away")
    os.chown(tmp_path, owner or os.getuid(), -1)
    tmp_path.chmod(permissions)
    found = private.objection(tmp_path)
    assert objection in found
    assert bool(objection) == bool(found)
    assert mode(tmp_path) == left


START = """
from cnn_history.training import devices
devices.start()
import jax
print(jax.config.jax_compilation_cache_dir)
"""


@pytest.mark.parametrize("named", [True, False])
def test_the_compile_cache_is_ours_alone(tmp_path, named):
    """Whoever writes there has his code run by us. Ours is also for one number of processors."""
    ours = f".cache/cnn_history/compiled_for_{len(os.sched_getaffinity(0))}"
    folder = tmp_path / ("named" if named else ours)
    if named:
        folder.mkdir()
        folder.chmod(0o775)
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    environment |= {"JAX_COMPILATION_CACHE_DIR": str(folder)} if named else {}
    result = subprocess.run(
        [sys.executable, "-c", START],
        cwd=runs.CHECKOUT,
        env=environment | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    if named:
        assert result.stdout == "None\n"
        said = f"compiled programs are not kept: others may write into '{folder}'; remove it, or "
        assert result.stderr.startswith(said)
    else:
        assert (result.stdout, result.stderr, mode(folder)) == (f"{folder}\n", "", 0o700)


def calls(tree):
    """Return (dotted name, call) of each call in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nothing_else_reads_pickles_unpacks_archives_or_runs_text():
    """In the package, whatever a name was imported as."""
    loads = []
    for path in PACKAGE.rglob("*.py"):
        tree, where = ast.parse(path.read_text()), path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(tree):
            names = {a.name for a in node.names} if isinstance(node, ast.Import) else set()
            if isinstance(node, ast.ImportFrom):
                names = {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
            used = {name.split(".")[0] for name in names} & UNPICKLERS | names & UNPACKERS
            assert not used, f"{where} imports {used}"
        for name, call in calls(tree):
            options = {k.arg: ast.unparse(k.value) for k in call.keywords}
            assert name not in RUNNERS, f"{where} calls {name}"
            assert not name.endswith(("extractall", "unpack_archive")), f"{where} calls {name}"
            assert options.get("allow_pickle", "False") == "False", where
            assert options.get("shell", "False") == "False", where
            if name in ("np.load", "numpy.load", "torch.load"):
                loads.append(
                    (where, name, options.get("allow_pickle", options.get("weights_only")))
                )
            if name == "runpy.run_path":
                loads.append((where, name, ""))
    assert sorted(loads) == [
        ("commands.py", "runpy.run_path", ""),  # config files, which are code: see SECURITY.md
        ("files/npz.py", "np.load", "False"),
        ("weights/reader.py", "torch.load", "True"),
    ]


def test_paths_that_lead_out_of_a_data_set_s_archive_are_passed_over(tmp_path):
    """TFDS unpacks what prepare_data downloads."""
    from tensorflow_datasets.core.download import extractor

    names = ["../trace", "/tmp/trace", "a/../../trace", "images/good.png"]
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        for name in names:
            file = tarfile.TarInfo(name)
            file.size = 4
            archive.addfile(file, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        for name in names:
            archive.writestr(name, b"evil")
    for name, unpack in (("evil.tar", extractor.iter_tar), ("evil.zip", extractor.iter_zip)):
        with open(tmp_path / name, "rb") as file:
            assert [path for path, _ in unpack(file)] == ["images/good.png"]


def test_known_holes_are_excluded_by_version():
    """The versions that SECURITY.md names are those that setup.cfg asks for."""
    text = (runs.CHECKOUT / "SECURITY.md").read_text()
    wanted = dict(re.findall(r"\| `([\w-]+)` \| ([\d.]+) \|", text))
    assert {"pillow", "torch", "jinja2", "setuptools"} <= set(wanted)
    files = "".join((runs.CHECKOUT / name).read_text() for name in ("setup.cfg", "pyproject.toml"))
    for package, version in wanted.items():
        (asked,) = re.findall(rf'^\W*(?:requires = \[")?{package}[>=]=([\d.]+)', files, re.M)
        assert [int(n) for n in asked.split(".")] >= [int(n) for n in version.split(".")], package
