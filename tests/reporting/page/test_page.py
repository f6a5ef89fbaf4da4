"""The page shows all material, escapes it, and names what is missing."""

import html.parser
import json
from xml.etree import ElementTree

import pytest

from cnn_history import models
from cnn_history.accounting.structure import architecture
from cnn_history.reporting import page, style
from cnn_history.reporting.page import history, material, networks, roofline
from tests.reporting.page import site


class Parsed(html.parser.HTMLParser):
    """The parsed page: elements with their attributes, text, and the data of scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.scripts, self._inside = [], "", {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        self._inside = attrs.get("id", "") if tag == "script" else None

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside is None:
            self.text += data
        else:
            self.scripts[self._inside] = self.scripts.get(self._inside, "") + data

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the parsed page, what was left out, and its folder."""
    folder = tmp_path_factory.mktemp("site")
    site.make(folder / "runs")
    site.write(folder / "runs" / "damaged" / "results.json", '{"study": ')
    site.run(folder / "runs" / "odd")
    site.write(folder / "runs" / "odd" / "summary.json", {"test": []})
    site.study(folder / "runs" / "escaping", figures=["../../../../etc/passwd", "results.json"])
    with pytest.MonkeyPatch.context() as patch:
        text, left_out = site.build(patch, folder / "runs", folder / "page")
    return Parsed(text), left_out, folder / "page"


def test_everything_that_was_found_is_shown(built):
    parsed, _, folder = built
    for words in (
        "lenet5/seed_0", "25.00", "2 errors", "20.00, 30.00", "7.07", "undecided", "0.95",
        "step 20 of 20",
        "LeCun et al. 1998, fig. 9",
        "Optimizer paths", "The second.", "0.1235", "C003", "the truth", "a device", "1.25",
        "Loss beside PyTorch.", "resnet152", "152 layers, 60.2 M parameters",
        "14.8 % with six networks", "Clarifai",
    ):  # fmt: skip
        assert words in parsed.text, words
    for image in parsed.all("img"):
        assert image["alt"]
        assert (folder / image["src"]).is_file()
    assert any("data-moving" in image for image in parsed.all("img"))


def test_hostile_text_is_text(built):
    """No element comes from labels, names of runs and files, configs or captions."""
    parsed, _, _ = built
    assert parsed.text.count(site.HOSTILE) >= 4
    assert "<b>bold & hostile</b>: <img src=x onerror=alert(1)>" in parsed.text  # a figure's name
    assert f"lenet5 on {site.HOSTILE}; step 20 of 20" in parsed.text  # a data set's
    assert json.dumps(site.HOSTILE) in parsed.text  # in the config
    assert site.HOSTILE in [image["alt"] for image in parsed.all("img")]
    assert not [image for image in parsed.all("img") if not image["src"].startswith("assets/")]
    scripts = parsed.all("script")
    assert {s["src"] for s in scripts if "src" in s} == {
        "assets/chart.umd.min.js", "assets/page.js"
    }  # fmt: skip
    assert all(s.get("type") == "application/json" for s in scripts if "src" not in s)
    names = [run["name"] for run in json.loads(parsed.scripts["curve-data"])]
    assert "<b>bold & hostile</b>" in names


def test_no_attribute_needs_what_the_policy_forbids(built):
    """No inline style, no handler, nothing from elsewhere."""
    parsed, _, _ = built
    policy = next(m["content"] for m in parsed.all("meta") if "http-equiv" in m)
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    for tag, attrs in parsed.elements:
        assert not [name for name in attrs if name == "style" or name.startswith("on")], tag
        for name in ("src", "href"):
            assert not attrs.get(name, "").startswith(("http:", "https:", "//", "javascript:"))


def test_what_is_damaged_or_leaves_its_folder_is_named(built):
    parsed, left_out, folder = built
    assert len(left_out) == 6
    assert sum(line.startswith("odd: ") for line in left_out) == 2  # as a run, and in the table
    assert "passwd: it lies outside its folder" in left_out
    assert any(line.startswith("damaged/results.json") for line in left_out)
    assert any(line.startswith("odd_benchmark.json: TypeError") for line in left_out)
    assert "6 files were left out" in parsed.text
    assert not (folder / ".unfinished").exists()


def test_links_lead_somewhere(built):
    parsed, _, folder = built
    ids = {attrs["id"] for _, attrs in parsed.elements if "id" in attrs}
    for link in parsed.all("a"):
        inside, target = link["href"].startswith("#"), link["href"]
        known = target[1:] in models.names() and target[1:] not in site.FEW  # not on a small page
        assert known or (target[1:] in ids if inside else (folder / target).is_file()), target


def test_what_is_missing_is_said_with_the_command(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    text, left_out = site.build(monkeypatch, tmp_path / "runs", tmp_path / "page")
    assert not left_out
    for command in (
        "study --config=experiments/studies/degradation.py --workdir=runs/studies/degradation",
        "claims --format=json --output=runs/claims.json",
        "train --config=experiments/lenet5_digits.py",
        "benchmark --suite=",
    ):
        assert f"./launch.sh {command}" in text


def test_what_lies_in_two_of_the_folders_is_found_once(tmp_path):
    site.make(tmp_path / "all" / "runs")
    whole = material.gather(tmp_path / "all")
    both = material.gather(tmp_path / "all" / "runs", tmp_path / "all")
    assert len(whole.runs) == len(both.runs) > 0
    assert len(whole.benchmarks) == len(both.benchmarks) > 0


def test_a_lever_that_failed_is_on_the_page_and_its_version(tmp_path, monkeypatch):
    row = {"network": "resnet20", "mode": "train", "batch": 128, "dtype": "bfloat16"}
    times = {"low": 0.8, "median": 0.9, "high": 1.1}
    document = {
        **{"device": "a device", "suite": "levers", "threads": 1, "rounds": 2, "ceilings": {}},
        **{"load_average": [0, 0], "versions": {"jax": "9.8.7"}, "commit": "a1"},
        "results": [
            {**row, "lever": "unrolled", "seconds_per_step": times, "times_without": times},
            {**row, "lever": "magic", "failed": f"RuntimeError: {'no such magic, ' * 20}"},
        ],
    }
    site.write(tmp_path / "runs" / "levers.json", document)
    text, left_out = site.build(monkeypatch, tmp_path / "runs", tmp_path / "page")
    shown = Parsed(text).text
    assert not left_out
    for words in ("a device, jax 9.8.7", "unrolled", "0.900 (0.800 to 1.10)", "no such magic"):
        assert words in shown, words


def test_a_page_is_replaced_and_stays_small(tmp_path, monkeypatch):
    site.make(tmp_path / "runs")
    site.write(tmp_path / "page" / "notes.txt", "mine")
    for _ in range(2):
        site.build(monkeypatch, tmp_path / "runs", tmp_path / "page")
        assert page.is_page(tmp_path / "page")
    assert (tmp_path / "page" / "notes.txt").read_text() == "mine"
    monkeypatch.setattr(page, "LIMIT", 1e5)
    _, left_out = site.build(monkeypatch, tmp_path / "runs", tmp_path / "page")
    assert "MB large; " in left_out[-1]
    assert "chart.umd.min.js" in left_out[-1]


def test_large_pictures_are_made_small(tmp_path):
    site.picture(tmp_path / "large.png", size=(2400, 900))
    left_out = []
    copied = page.Pictures(tmp_path, left_out).add(tmp_path / "large.png", "large", tmp_path)
    assert not left_out
    assert (copied.width, copied.height) == (1600, 600)
    assert (tmp_path / copied.file.split("/")[1]).stat().st_size < 1e6


@pytest.mark.parametrize("name", ["lenet5_1998", "googlenet", "resnet152", "preact_resnet110"])
def test_budget_and_account_sum_to_the_totals(name):
    """The shares are those of all layers, repeated ones multiplied, and the image."""
    account, series = architecture(name)
    shares = [networks._share(account, piece) for piece in series]
    parameters, macs, activations = (sum(s.amounts[i] for s in shares) for i in range(3))
    assert (parameters, macs) == (account.parameters, account.macs)
    assert activations + account.input_activations == account.activations
    rows = networks.repeated(series)
    drawn = sum(times * (1 + (step.norm is not None)) for times, step in rows)
    assert drawn == len(account.layers)


def test_a_drawing_names_its_pieces_and_counts_repetitions():
    account, series = architecture("resnet152")
    drawing = networks.drawing.architecture(account, series)
    for words in (">conv4_2 – 36<", ">×35<", ">14×14×1024<", ">3×3 conv, 256<"):
        assert words in drawing
    assert drawing.count('class="repeat"') == 4


def test_every_paper_of_the_registry_has_its_section():
    shown = {section.paper for section in networks.SECTIONS}
    for name in models.names():
        assert models.info(name).source.paper in shown, name
    assert all(section.first in models.names() for section in networks.SECTIONS)


def test_a_year_has_one_winner_and_the_error_of_2013_is_mended():
    winners = {e.year: e for e in history.ENTRIES if e.role == "won"}
    assert sorted(winners) == [2012, 2013, 2014, 2015]
    assert sum(e.role == "won" for e in history.ENTRIES) == 4
    assert (winners[2013].network, winners[2013].published.top5) == (None, 11.7)
    zfnet = next(e for e in history.ENTRIES if e.network == "zfnet")
    assert zfnet.published.top5 == 14.8


def test_a_roofline_has_its_points_under_the_roof():
    """Ours, the other's and the bound of both networks, by their heights; labels stand apart."""
    (picture,) = roofline.rooflines(site.benchmark())
    root = ElementTree.fromstring(picture)
    groups = [g for g in root if g.tag == "g"]
    assert len(groups) == 2
    for group in groups:
        theirs, mine = group.findall("circle")
        (_, bound, *_) = group.findall("path")
        height = float(bound.get("d").split("L")[1].split()[1])
        roof = next(path for path in root.findall("path") if path.get("class") == "roof")
        top = float(roof.get("d").split("L")[-1].split()[1])
        assert top < height < float(theirs.get("cy")) < float(mine.get("cy"))
    labels = [float(group.find("text").get("y")) for group in groups]
    assert abs(labels[0] - labels[1]) >= roofline.APART - 0.1
    assert "60 GFLOP/s, matrix product" in picture


def test_one_visual_language():
    """The stylesheet's colours on light ground are those of all figures."""
    css = (page.HERE / "style.css").read_text()
    script = (page.HERE / "page.js").read_text()
    for colour in (style.TRAIN, style.TEST, style.RIGHT):
        assert f"light-dark({colour}," in css
    for colour in style.CATEGORIES:
        assert colour in script
