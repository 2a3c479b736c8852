"""Write docs/openapi.json: ``PYTHONPATH=src:. python -m tests.write_openapi``."""

import json
from pathlib import Path

from tests.integration.control_plane_in_memory import build

if __name__ == "__main__":
    kept = Path(__file__).parents[1] / "docs" / "openapi.json"
    kept.write_text(json.dumps(build().app.openapi(), indent=1, sort_keys=True) + "\n")
