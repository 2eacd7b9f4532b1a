"""The ISIC challenges as data: addresses, checksums, terms, counts and known defects."""

from __future__ import annotations

from segkit.api import Archive, Dataset

_ISIC_NEW = "https://isic-archive.s3.amazonaws.com/challenges"
_ISIC_OLD = "https://isic-challenge-data.s3.amazonaws.com"
_PICTURES = r"ISIC_\d{7}\.jpe?g$"
_MASKS = r"ISIC_\d{7}_segmentation\.png$"


def _isic(year: str, part: str, name: str, size: int, digest: str | None) -> Archive:
    members = _MASKS if "GroundTruth" in name else _PICTURES
    urls = (f"{_ISIC_NEW}/{year}/{name}", f"{_ISIC_OLD}/{year}/{name}")
    return Archive(name, part, urls, digest, size, members)


ISIC2016 = Dataset(
    name="isic2016",
    title="ISIC 2016 task 1",
    summary="Dermoscopy, 900 training and 379 test pictures with the lesion outlined.",
    modality="dermoscopy",
    pair="segkit_datasets.pairs:isic2016",
    archives=(
        _isic(
            "2016",
            "train",
            "ISBI2016_ISIC_Part1_Training_Data.zip",
            631_625_308,
            "md5:2029f387e62dcc062b1370b1efc1f7fb",
        ),
        _isic(
            "2016",
            "train",
            "ISBI2016_ISIC_Part1_Training_GroundTruth.zip",
            6_000_606,
            "md5:fbd77134298f3511479a37bac93109c7",
        ),
        _isic(
            "2016",
            "test",
            "ISBI2016_ISIC_Part1_Test_Data.zip",
            242_932_767,
            "md5:efebcaeaae751007401a40a60d391f93",
        ),
        _isic(
            "2016",
            "test",
            "ISBI2016_ISIC_Part1_Test_GroundTruth.zip",
            2_376_407,
            "md5:492a7711a2e19b96114cab6c96bd1ad5",
        ),
    ),
    default_parts=("train", "test"),
    counts={"train": 900, "test": 379},
    licence="CC0",
    terms="CC-0, as the challenge site states.",
    page="https://challenge.isic-archive.com/data/#2016",
    citation="Gutman et al., Skin Lesion Analysis toward Melanoma Detection, arXiv 1605.01397",
    defects=(
        "ISIC_0001184 and ISIC_0001385 are in the training and in the test part",
        "824 of the 900 training pictures are byte-identical to training pictures of later years",
        "82 pictures of the 2017 training part are byte-identical to test pictures of 2016",
    ),
)

ISIC2017 = Dataset(
    name="isic2017",
    title="ISIC 2017 part 1",
    summary=(
        "Dermoscopy, 2000 training, 150 validation and 600 test pictures with the lesion outlined."
    ),
    modality="dermoscopy",
    pair="segkit_datasets.pairs:isic2017",
    archives=(
        _isic(
            "2017",
            "train",
            "ISIC-2017_Training_Data.zip",
            5_800_000_000,
            "md5:a14a7e622c67a358797ae59abb8a0b0c",
        ),
        _isic(
            "2017",
            "train",
            "ISIC-2017_Training_Part1_GroundTruth.zip",
            9_000_000,
            "md5:77fdbeb6fbec4139937224416b250f4c",
        ),
        _isic(
            "2017",
            "val",
            "ISIC-2017_Validation_Data.zip",
            878_000_000,
            "md5:8d6419d942112f709894c0d82f6c9038",
        ),
        _isic(
            "2017",
            "val",
            "ISIC-2017_Validation_Part1_GroundTruth.zip",
            559_000,
            "md5:64d3e68fa2deeb8a5e89aa8dec2efd44",
        ),
        _isic(
            "2017",
            "test",
            "ISIC-2017_Test_v2_Data.zip",
            5_400_000_000,
            "md5:5f6a0b5e1f2972bd1f5ea02680489f09",
        ),
        _isic(
            "2017",
            "test",
            "ISIC-2017_Test_v2_Part1_GroundTruth.zip",
            18_000_000,
            "md5:b1742de6bd257faca3b2b21a4aa3b781",
        ),
    ),
    default_parts=("train", "val"),
    counts={"train": 2000, "val": 150, "test": 600},
    licence="CC0",
    terms="CC-0, as the challenge site states.",
    page="https://challenge.isic-archive.com/data/#2017",
    citation="Codella et al., Skin Lesion Analysis toward Melanoma Detection, arXiv 1710.05006",
    defects=(
        "known twins: train/val 0012970=0012127; train/test 0012175=0015982, 0012271=0016018, "
        "0012887~0012989, "
        "0013163~0013109; val/test 0012221=0016002; train/train 0012290~0013594, 0012672~0012673",
        "100 of the training masks have more than one part and 4 have holes; they are kept as "
        "they are",
        "88 % of the test part (529 of 600) are training pictures of ISIC 2018",
    ),
)

ISIC2018 = Dataset(
    name="isic2018",
    title="ISIC 2018 task 1",
    summary=(
        "Dermoscopy, 2594 training, 100 validation and 1000 test pictures with the lesion outlined."
    ),
    modality="dermoscopy",
    pair="segkit_datasets.pairs:isic2018",
    archives=(
        _isic(
            "2018",
            "train",
            "ISIC2018_Task1-2_Training_Input.zip",
            11_165_358_566,
            "sha256:80f98572347a2d7a376227fa9eb2e4f7459d317cb619865b8b9910c81446675f",
        ),
        _isic(
            "2018",
            "train",
            "ISIC2018_Task1_Training_GroundTruth.zip",
            27_402_895,
            "sha256:99f8b2bb3c4d6af483362010715f7e7d5d122d9f6c02cac0e0d15bef77c7604c",
        ),
        _isic(
            "2018",
            "val",
            "ISIC2018_Task1-2_Validation_Input.zip",
            239_231_159,
            "sha256:0ea920fcfe512d12a6e620b50b50233c059f67b10146e1479c82be58ff15a797",
        ),
        _isic(
            "2018",
            "val",
            "ISIC2018_Task1_Validation_GroundTruth.zip",
            759_706,
            "sha256:f6911e9c0a64e6d687dd3ca466ca927dd5e82145cb2163b7a1e5b37d7a716285",
        ),
        _isic(
            "2018",
            "test",
            "ISIC2018_Task1-2_Test_Input.zip",
            2_370_457_338,
            "sha256:e59ae1f69f4ed16f09db2cb1d76c2a828487b63d28f6ab85997f5616869b127d",
        ),
        _isic(
            "2018",
            "test",
            "ISIC2018_Task1_Test_GroundTruth.zip",
            9_680_101,
            "sha256:2e8f6edce454a5bdee52485e39f92bd6eddf357e81f39018d05512175238ef82",
        ),
    ),
    default_parts=("train", "val"),
    counts={"train": 2594, "val": 100, "test": 1000},
    licence="CC0",
    terms="Task 1-2: CC-0, as the challenge site states (task 3 is CC-BY-NC and is not fetched).",
    page="https://challenge.isic-archive.com/data/#2018",
    citation=(
        "Codella et al., arXiv 1902.03368; Tschandl et al. (HAM10000), Sci. Data 5, 180161 (2018)"
    ),
    defects=(
        "2450 of the 2594 training ids are in ISIC 2017: 1800 in train, 121 in val, 529 in test",
        "a few test masks are all foreground",
    ),
)
