"""The cluster file: read strictly, refused in words."""

import pytest

from segkit.engine.launching import settings
from segkit.errors import UsageError


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("30:00", 30),
        ("0:30", 1),
        ("12:00:00", 720),
        ("1-12:00:00", 2160),
        ("1-6", 1800),
        ("1-6:30", 1830),
    ],
)
def test_times_are_read_as_sbatch_reads_them(text, minutes):
    assert settings.minutes(text) == minutes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[slurm]\npartitoin = "gpu"', "partitoin"),
        ('[slurm]\ntime = "soon"', "HH:MM:SS"),
        ('[slurm]\nextra = ["exclude=a"]', "--name="),
        ('partition = "gpu"', "outside of a section"),
    ],
)
def test_a_wrong_cluster_file_is_wrong_usage(tmp_path, text, words):
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=words):
        settings.read("slurm", settings.SlurmSettings, file)


def test_ray_takes_whole_cards_above_one():
    with pytest.raises(ValueError, match="whole cards"):
        settings.RaySettings(num_gpus=1.5)
    assert settings.RaySettings(num_gpus=0.25).num_gpus == 0.25


def test_the_file_of_the_folder_is_used_and_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert settings.read("slurm", settings.SlurmSettings, None) == (settings.SlurmSettings(), "")
    (tmp_path / "cluster.toml").write_text('[slurm]\npartition = "gpu"\n')
    made, said = settings.read("slurm", settings.SlurmSettings, None)
    assert made.partition == "gpu"
    assert said == "cluster: [slurm] of cluster.toml"


@pytest.mark.parametrize(("text", "count"), [("", None), ("4G", 4 * 2**30), ("900M", 900 * 2**20)])
def test_memory_in_words(text, count):
    assert settings.bytes_of(text) == count
