"""Count every network of this installation at 256 pixels and store what `segkit zoo` answers with.

python benchmarks/store_counts.py [NAME ...]    (none: all; others keep their entry)
"""

import json
import sys
from pathlib import Path

from segkit import build, plugins
from segkit.engine.costs import profile, stored

PLACE = Path(stored.__file__).with_name(stored.FILE)


def main(names: list[str]) -> None:
    known = json.loads(PLACE.read_text()) if PLACE.exists() else {}
    for name in names or plugins.names("architectures"):
        value = build.architecture(name)
        if build.missing(value):
            continue
        settings = profile.ProfileSettings(size=stored.SIZE, measure=False)
        document = profile.counted(value, value.config(), settings)[0]
        known[name] = {key: document[key] for key in stored.KEYS}
        print(name, known[name]["macs"], flush=True)
    lines = [f"{json.dumps(key)}: {json.dumps(known[key])}" for key in sorted(known)]
    PLACE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
